"""Sandbox runs: the Terraform below everything else of an install."""
