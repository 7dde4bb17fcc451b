"""Repositories: connections, git configs, commits that were seen."""
