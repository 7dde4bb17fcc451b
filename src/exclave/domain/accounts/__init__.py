"""Who acts: people and service accounts, their API tokens (kept as hashes), their onboarding journeys."""
