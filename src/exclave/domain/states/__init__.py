"""The install state document that templates read: pushed branch by branch, kept by version."""
