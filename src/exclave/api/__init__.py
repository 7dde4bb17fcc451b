"""What HTTP sees: routes by tag for three listeners, nested reads, access, errors, the OpenAPI document."""
