"""The `exclave` command, also `python -m exclave.cli`. What must answer within a key press is asked before the library is imported."""

import os
import sys

from exclave.cli import config_quick


def main() -> None:
    _open_streams()
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:  # a full disk below standard output, say
        place = f"{error.filename}: " if error.filename else ""
        print(f"exclave: {place}{error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter would try to write the rest at its end
        raise SystemExit(1) from error


def _open_streams() -> None:
    """Give a process that was started without standard streams (`>&-`, some supervisors) silent ones: a socket would get their numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _run(words: list[str]) -> None:
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
