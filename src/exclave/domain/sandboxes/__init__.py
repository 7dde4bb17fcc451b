"""Sandbox runs: plan and apply the Terraform that makes an install's surroundings, and keep what it put out."""
