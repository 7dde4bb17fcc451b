"""Exclave: a self-hostable control plane for software that runs in the customer's own cloud account."""

__version__ = "0.1.0"
