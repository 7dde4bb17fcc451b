"""Builds: a component's source, packed once, deployed many times."""
