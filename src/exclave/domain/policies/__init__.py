"""Policies that plans must pass."""
