"""The blob store: bytes by their SHA-256, in a directory. Written once, never changed."""

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

_CHUNK = 1 << 20


class BlobMissing(Exception):
    """No blob has this digest."""


class BlobTooLarge(Exception):
    """The blob grew over the limit while it was received."""


class Blobs:
    """Content-addressed files below one directory: `sha256:ab12…` lies at `ab/ab12…`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _path(self, digest: str) -> Path:
        algorithm, _, hexadecimal = digest.partition(":")
        if algorithm != "sha256" or len(hexadecimal) != 64 or not all(c in "0123456789abcdef" for c in hexadecimal):
            raise BlobMissing(f"{digest!r} is not a digest of the form sha256:<64 hex digits>")
        return self.directory / hexadecimal[:2] / hexadecimal

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest. Storing the same bytes again is cheap and harmless."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            os.utime(path)  # whoever removes old bytes that no row names sees that these are wanted again
        except FileNotFoundError:
            self._write(path, iter([data]))
        return digest

    async def receive(self, stream: AsyncIterator[bytes], *, limit: int) -> tuple[str, int]:
        """Store a stream of at most `limit` bytes; return digest and size. Nothing is left behind when it fails."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        hasher = hashlib.sha256()
        size = 0
        handle, temporary = tempfile.mkstemp(dir=self.directory, prefix=".incoming-")
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in stream:
                    size += len(chunk)
                    if size > limit:
                        raise BlobTooLarge(f"more than {limit} bytes")
                    hasher.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            digest = "sha256:" + hasher.hexdigest()
            path = self._path(digest)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        return digest, size

    def get(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise BlobMissing(f"no blob has the digest {digest}") from error

    def has(self, digest: str) -> bool:
        return self._path(digest).exists()

    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError as error:
            raise BlobMissing(f"no blob has the digest {digest}") from error

    def chunks(self, digest: str) -> Iterator[bytes]:
        path = self._path(digest)
        if not path.exists():
            raise BlobMissing(f"no blob has the digest {digest}")
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def _write(self, path: Path, chunks: Iterator[bytes]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
