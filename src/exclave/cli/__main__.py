"""`python -m exclave.cli`: the `exclave` command."""

from exclave.cli.main import main

main()
