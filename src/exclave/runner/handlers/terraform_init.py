"""What `init` left, used again where another `init` would leave the same: the next plan of a version, the apply of a plan.

That depends on the files of the module, the program, and the providers that are to be installed. So it is kept by the digest of the
archive that the files came from and the lock file that `init` ended with, and used where a lock file says the same before: without one
the newest providers are looked for each time. Where modules come from elsewhere nothing is kept. Terraform checks providers against the
lock file whenever it starts them, and says so when an `init` is missing after all: then there is one.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from exclave.runner.handlers import terraform_rules
from exclave.runner.workspace import remove
from exclave.wire.plans.base import Source

LOCK_FILE = ".terraform.lock.hcl"
_DIRECTORY = ".terraform"
_MOST_KEPT = 16


@dataclass(frozen=True)
class Kept:
    """What was kept of one module by one program; `at` has a directory for each lock file."""

    at: Path
    module: str

    def restore(self, directory: Path) -> bool:
        """Put into a module's directory what `init` would; tell whether it was there and is whole."""
        kept = self._place(directory)
        if not kept.is_dir() or (directory / _DIRECTORY).exists() or not _is_whole(kept):
            return False
        try:
            shutil.copytree(kept, directory / _DIRECTORY, symlinks=True)
            os.utime(kept)
        except OSError:
            remove(directory / _DIRECTORY)
            return False
        return True

    def keep(self, directory: Path) -> None:
        """Keep what `init` has just left in a module's directory; where that is not possible the next job runs it again."""
        with suppress(OSError):
            self._keep(directory)

    def _keep(self, directory: Path) -> None:
        modules = directory / _DIRECTORY / "modules" / "modules.json"
        if modules.exists() and not terraform_rules.are_within(modules.read_bytes()):
            return
        if any(path.is_file() for path in (directory / _DIRECTORY / "providers").rglob("*") if not path.is_symlink()):
            return  # no links into the shared cache, as some file systems have none: too much to be kept twice
        kept = self._place(directory)
        remove(kept)
        kept.parent.mkdir(exist_ok=True, mode=0o700)
        shutil.copytree(directory / _DIRECTORY, kept, symlinks=True)
        os.utime(kept)
        for old in sorted(self.at.iterdir(), key=lambda path: path.stat().st_mtime)[:-_MOST_KEPT]:
            remove(old)

    def _place(self, directory: Path) -> Path:
        locked = b""
        with suppress(FileNotFoundError):
            locked = (directory / LOCK_FILE).read_bytes()
        if not terraform_rules.needs_init(locked):
            locked = b""
        return self.at / hashlib.sha256(self.module.encode() + b"\0" + locked).hexdigest()


def kept_of(at: Path, source: Source | None, program: str) -> Kept | None:
    """Return what is kept of a module; None where its files have no digest to be known by."""
    if source is None or not (digest := source.artifact.digest if source.artifact is not None else source.archive):
        return None
    return Kept(at, "\0".join([digest, source.path, program, str(os.stat(program).st_mtime_ns)]))


def _is_whole(kept: Path) -> bool:
    """Is what links lead to still there? Providers are links into the shared cache."""
    return all(path.exists() for path in kept.rglob("*"))
