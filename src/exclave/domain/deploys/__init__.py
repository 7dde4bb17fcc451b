"""Deploys and teardowns of a component in an install."""
