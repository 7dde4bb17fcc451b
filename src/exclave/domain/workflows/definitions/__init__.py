"""One file per workflow type: its docstring and its steps are what the user reads."""
