"""Terraform states and their locks, behind Terraform's HTTP backend."""
