"""Deploys and teardowns of an install's components: plan, ask, apply exactly that, keep the outputs."""
