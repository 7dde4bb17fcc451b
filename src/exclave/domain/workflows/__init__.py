"""What an install goes through: the definitions of its workflows, and what a user may do to one that runs."""
