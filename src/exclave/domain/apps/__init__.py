"""Apps and their configs: one version of everything a vendor describes."""
