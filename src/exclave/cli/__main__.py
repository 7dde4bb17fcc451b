"""The `exclave` command, also `python -m exclave.cli`. What must answer within a key press is asked before the library is imported."""

import sys

from exclave.cli import config_quick


def main() -> None:
    words = sys.argv[1:]
    if words == ["up"]:
        from exclave.cli import up

        raise SystemExit(up.run("local"))
    code = config_quick.run(words)
    if code is not None:
        raise SystemExit(code)
    from exclave.cli.main import main as everything

    everything()


if __name__ == "__main__":
    main()
