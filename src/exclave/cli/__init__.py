"""The `exclave` command: a client of the public API. Data goes to stdout, messages to stderr, exit codes mean something."""
