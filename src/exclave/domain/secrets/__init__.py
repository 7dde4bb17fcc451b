"""Secrets that are copied from the customer's secret store into their cluster."""
