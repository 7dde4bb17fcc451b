"""What may be uploaded as a source, and what an image manifest must hold."""

import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from exclave.kit import errors, json

MiB = 1 << 20
SOURCE_LIMIT = 64 * MiB  # packed
UNPACKED_LIMIT = 512 * MiB
ENTRIES_LIMIT = 50_000
BLOB_LIMIT = 256 * MiB
MANIFEST_LIMIT = 4 * MiB

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True)
class Contents:
    """What was found in an archive."""

    files: int
    size: int


def read_archive(file: BinaryIO) -> Contents:
    """Read a tar.gz to its end and count its files. Raises when unpacking it could touch anything outside of its directory."""
    files = size = entries = 0
    links: set[str] = set()
    try:
        # Through gzip itself, which checks the sum at the end; tarfile's own reader of streams does not.
        with gzip.GzipFile(fileobj=file, mode="rb") as plain:
            with tarfile.open(fileobj=plain, mode="r|") as archive:
                for member in archive:
                    entries += 1
                    if entries > ENTRIES_LIMIT:
                        raise errors.Invalid(f"the archive has more than {ENTRIES_LIMIT} entries")
                    check_member(member, links)
                    if member.isfile():
                        files += 1
                        size += member.size
                        if size > UNPACKED_LIMIT:
                            raise errors.TooLarge(f"the archive holds more than {UNPACKED_LIMIT // MiB} MiB of files")
            padding = 0
            while chunk := plain.read(MiB):
                padding += len(chunk)
                if padding > UNPACKED_LIMIT:
                    raise errors.TooLarge("the archive goes on and on after its end")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise errors.Invalid(f"the body is not a whole tar.gz archive: {error}") from error
    if not files:
        raise errors.Invalid("the archive holds no file")
    return Contents(files=files, size=size)


def check_member(member: tarfile.TarInfo, links: set[str]) -> None:
    """Refuse an entry that is not a plain file, a directory, or a link that stays inside; remember symbolic links in `links`.

    Nothing may lie below a symbolic link, and a link's target goes up only at its start: so what the name says is where it leads.
    """
    name = member.name
    if _leads_out(name):
        raise errors.Invalid(f"the archive's entry {name!r} leads out of its directory")
    clean = posixpath.normpath(name)
    parts = clean.split("/")
    if any("/".join(parts[:depth]) in links for depth in range(1, len(parts))):
        raise errors.Invalid(f"the archive's entry {name!r} lies below a symbolic link")
    if member.isfile() or member.isdir():
        return
    if member.issym():
        links.add(clean)
        target = [part for part in member.linkname.split("/") if part not in ("", ".")]
        up = next((at for at, part in enumerate(target) if part != ".."), len(target))
        if posixpath.isabs(member.linkname) or up > len(parts) - 1 or ".." in target[up:] or "\0" in member.linkname:
            raise errors.Invalid(f"the archive's link {name!r} points to {member.linkname!r}, which leads out of its directory")
        return
    if member.islnk():
        if _leads_out(member.linkname) or posixpath.normpath(member.linkname) in links:
            raise errors.Invalid(f"the archive's link {name!r} points to {member.linkname!r}, which leads out of its directory")
        return
    raise errors.Invalid(f"the archive's entry {name!r} is a device or another special file; only files, directories and links are taken")


def _leads_out(path: str) -> bool:
    if "\0" in path or posixpath.isabs(path):
        return True
    clean = posixpath.normpath(path)
    return clean == ".." or clean.startswith("../")


class Descriptor(msgspec.Struct, rename="camel"):
    """A blob that a manifest names."""

    digest: str
    media_type: str = ""
    size: int = 0
    annotations: dict[str, str] = {}


class Manifest(msgspec.Struct, rename="camel"):
    """An OCI image manifest, as far as we read it."""

    config: Descriptor
    layers: list[Descriptor]
    schema_version: int = 2
    media_type: str = MANIFEST_TYPE
    artifact_type: str = ""
    annotations: dict[str, str] = {}


def manifest_of(data: bytes) -> Manifest:
    """Read a manifest, or say why it is none."""
    with json.understood("the body is not an OCI image manifest"):
        manifest = msgspec.json.decode(data, type=Manifest)
    for layer in manifest.layers:
        title = layer.annotations.get(TITLE, "")
        if _leads_out(title or "."):
            raise errors.Invalid(f"the manifest's layer {title!r} leads out of its directory")
    return manifest


def blobs_of(manifest: Manifest) -> Iterable[str]:
    """Yield the digests that a manifest needs."""
    yield manifest.config.digest
    for layer in manifest.layers:
        yield layer.digest


@dataclass(frozen=True)
class Facts:
    """What an artifact row tells of its manifest."""

    media_type: str
    size: int  # of the manifest itself, as in every OCI descriptor
    artifact_type: str
    annotations: dict[str, str]


def facts_of(manifest: Manifest, size: int) -> Facts:
    """Return what a manifest of so many bytes says of its artifact."""
    return Facts(
        media_type=manifest.media_type or MANIFEST_TYPE,
        size=size,
        artifact_type=manifest.artifact_type or manifest.config.media_type,
        annotations=dict(manifest.annotations),
    )
