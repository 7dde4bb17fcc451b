"""A vendor's org: its members and roles, and the data key that seals what it stores."""
