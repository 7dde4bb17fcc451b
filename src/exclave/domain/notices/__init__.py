"""What the outside is told: outbox, webhooks."""
