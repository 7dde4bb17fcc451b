"""The shapes of the public API, a module for each tag (spec api.md, openapi-public.json)."""
