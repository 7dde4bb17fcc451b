"""Pack a directory and unpack what a stranger packed (test S20).

Nothing but regular files and directories comes out of an archive, nothing lands outside the directory that was named, no
link is followed, and what it may hold is bounded. Modes are reduced to 0644 or 0755, owners are ignored.
"""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from exclave.kit.errors import Invalid

LIMIT_BYTES = 1 << 30
LIMIT_FILES = 50_000
_CHUNK = 1 << 20
_DEEPEST = 64


class ArchiveInvalid(Invalid):
    """The archive cannot be used."""

    code = "archive_invalid"


@dataclass(frozen=True)
class Contents:
    """What was packed or unpacked."""

    files: int
    size: int  # bytes, unpacked


def unpack(archive: Path | IO[bytes], into: Path, *, limit_bytes: int = LIMIT_BYTES, limit_files: int = LIMIT_FILES) -> Contents:
    """Unpack a tar (plain or compressed) into a directory that must be empty or absent.

    Raises ArchiveInvalid naming the member for absolute paths, `..`, links, devices, sparse files, members that hide behind one
    another, and when there is too much. What was written until then stays: the caller removes the directory.
    """
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(into.iterdir()):
        raise ArchiveInvalid(f"{into} is not empty")
    files = size = members = 0
    written: set[PurePosixPath] = set()
    try:
        with _opened(archive) as tar:
            for member in tar:
                members += 1
                if members > 2 * limit_files:
                    raise ArchiveInvalid(f"the archive holds more than {limit_files} files")
                path = member_path(member.name)
                if path == PurePosixPath("."):
                    continue
                if member.isdir():
                    (into / path).mkdir(parents=True, exist_ok=True, mode=0o755)
                    continue
                if not member.isreg() or member.issparse():
                    raise ArchiveInvalid(f"{_shown(member.name)} is a {_kind(member)}: only files and directories may be in the archive")
                if path in written:
                    raise ArchiveInvalid(f"{_shown(member.name)} is in the archive twice")
                written.add(path)
                files += 1
                size += member.size
                if files > limit_files:
                    raise ArchiveInvalid(f"the archive holds more than {limit_files} files")
                if size > limit_bytes:
                    raise ArchiveInvalid(f"the archive holds more than {limit_bytes} bytes")
                source = tar.extractfile(member)
                assert source is not None  # a regular file has data
                _write(into / path, source, executable=bool(member.mode & stat.S_IXUSR))
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and not isinstance(
            error, gzip.BadGzipFile | FileExistsError | NotADirectoryError | IsADirectoryError
        ):
            raise
        raise ArchiveInvalid(f"the archive cannot be read: {error}") from error
    return Contents(files, size)


def pack(
    directory: Path,
    archive: Path | IO[bytes],
    *,
    leave_out: Callable[[PurePosixPath], bool] = lambda path: False,
    limit_bytes: int = LIMIT_BYTES,
    limit_files: int = LIMIT_FILES,
) -> Contents:
    """Pack a directory as tar.gz; the same files give the same bytes. See `files_of` for what is packed."""
    files = size = 0
    with open(archive, "wb") if isinstance(archive, Path) else _borrowed(archive) as target:
        with gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0, compresslevel=6) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for path, real in files_of(directory, leave_out=leave_out, limit_bytes=limit_bytes, limit_files=limit_files):
                    status = real.stat()
                    member = tarfile.TarInfo(str(path))
                    member.size = status.st_size
                    member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
                    try:
                        with real.open("rb") as source:
                            tar.addfile(member, source)
                    except OSError as error:  # no right to read it, or it shrank meanwhile
                        raise ArchiveInvalid(f"{path} cannot be packed: {error.strerror or error}") from error
                    files += 1
                    size += status.st_size
    return Contents(files, size)


def files_of(
    directory: Path,
    *,
    leave_out: Callable[[PurePosixPath], bool] = lambda path: False,
    limit_bytes: int = LIMIT_BYTES,
    limit_files: int = LIMIT_FILES,
) -> Iterator[tuple[PurePosixPath, Path]]:
    """List the regular files below a directory in order, as (path below it, where to read).

    A link to a file inside the directory counts as that file; any other link, a device or a socket is refused by name, and so are a
    directory that cannot be read and a name that could not be unpacked again.
    `leave_out` gets each file and directory; a directory that is left out is not entered.
    """
    root = directory.resolve()
    files = size = 0
    for parent, directories, names in os.walk(root, onerror=_unreadable):
        below = PurePosixPath(Path(parent).relative_to(root).as_posix())
        directories[:] = sorted(d for d in directories if not leave_out(below / d))
        for name in directories:
            if (Path(parent) / name).is_symlink():
                raise ArchiveInvalid(f"{below / name} is a link to a directory: copy the files to where they are used")
        for name in sorted(names):
            path = below / name
            if leave_out(path):
                continue
            member_path(str(path))
            real = Path(parent) / name
            if real.is_symlink():
                target = real.resolve()
                if not target.is_relative_to(root) or not target.is_file():
                    raise ArchiveInvalid(f"{path} is a link that leads out of the directory or nowhere")
                real = target
            status = real.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ArchiveInvalid(f"{path} is neither a file nor a directory")
            files += 1
            size += status.st_size
            if files > limit_files:
                raise ArchiveInvalid(f"{directory.name} holds more than {limit_files} files")
            if size > limit_bytes:
                raise ArchiveInvalid(f"{directory.name} holds more than {limit_bytes} bytes")
            yield path, real


def member_path(name: str) -> PurePosixPath:
    """Return the path of a member below the root, or refuse it."""
    path = PurePosixPath(name)
    if not name.isascii() and any("\ud800" <= char <= "\udfff" for char in name):
        raise ArchiveInvalid(f"the name {_shown(name)} is not UTF-8: rename the file")
    if not name or "\0" in name or "\\" in name or path.is_absolute() or ".." in path.parts or len(path.parts) > _DEEPEST:
        raise ArchiveInvalid(f"{_shown(name)} would land outside of the directory, or is no usable path")
    return path


def below(root: Path, path: str) -> Path:
    """Return a directory below `root` that a config named; refuse one that leaves it, by name or by link."""
    target = (root / member_path(path.strip().lstrip("/") or ".")).resolve()
    if not target.is_relative_to(root.resolve()):
        raise ArchiveInvalid(f"{_shown(path)} leads out of the source")
    if not target.is_dir():
        raise ArchiveInvalid(f"the source holds no directory {_shown(path)}")
    return target


def _unreadable(error: OSError) -> None:
    # Passed over, its files would be missing from a module, and nobody would know.
    raise ArchiveInvalid(f"the directory {_shown(str(error.filename))} cannot be read: {error.strerror}") from error


def _write(path: Path, source: IO[bytes], *, executable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    # O_EXCL: never through something that is there already, be it a link.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if executable else 0o644)
    with os.fdopen(handle, "wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)


def _opened(archive: Path | IO[bytes]) -> tarfile.TarFile:
    # Stream mode reads forward only, so a huge or lying member cannot make us seek.
    if isinstance(archive, Path):
        return tarfile.open(archive, mode="r|*")
    return tarfile.open(fileobj=archive, mode="r|*")


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "link"
    if member.issparse():
        return "sparse file"
    return "device or special file"


def _shown(name: str) -> str:
    return ascii(name[:200])


class _borrowed(io.IOBase):
    """Hand an open file to `with` without closing it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> IO[bytes]:  # type: ignore[override]
        return self._file

    def __exit__(self, *_: object) -> None:
        self._file.flush()
