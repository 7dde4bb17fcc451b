"""What only the runner API says (spec runner.md 1); jobs, executions, settings and so on are the shapes of `wire/public`."""
