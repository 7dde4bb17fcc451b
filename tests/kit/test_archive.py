"""Archives of strangers unpack to files inside one directory, or not at all (test S20)."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest

from exclave.kit import archive
from exclave.kit.archive import ArchiveInvalid
from tests.users import as_nobody


def tar_of(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> io.BytesIO:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:  # type: ignore[call-overload]
        for member, content in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    data.seek(0)
    return data


def file(name: str, content: bytes = b"x", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(member, key, value)
    return member, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    return file(name, b"", type=kind, linkname=target)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "..", "a/..", "x\\..\\y", "a" + "/b" * 100, "C:\\x"])
def test_names_that_leave_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveInvalid):
        archive.unpack(tar_of(file(name)), tmp_path / "in" / "to")
    assert not (tmp_path / "in" / "x").exists()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "inside"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "inside"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_are_refused_by_name(tmp_path: Path, kind: bytes, target: str) -> None:
    with pytest.raises(ArchiveInvalid, match="strange"):
        archive.unpack(tar_of(file("inside"), special("strange", kind, target)), tmp_path / "to")
    assert os.listdir(tmp_path / "to") == ["inside"]


@pytest.mark.parametrize(
    "members",
    [
        (file("a"), file("a", b"other")),
        (file("a"), file("./a", b"other")),
        (file("a"), file("a/b")),
        (file("a/b"), file("a")),
        (file("a/b"), special("a", tarfile.SYMTYPE, "/tmp"), file("a/c")),
    ],
)
def test_members_that_hide_one_another_are_refused(tmp_path: Path, members: tuple[tuple[tarfile.TarInfo, bytes], ...]) -> None:
    with pytest.raises(ArchiveInvalid):
        archive.unpack(tar_of(*members), tmp_path / "to")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    member, _ = file("big", b"", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(10 << 30)})
    data = tar_of((member, b"0\n" + b"\0" * 510))
    with pytest.raises(ArchiveInvalid):
        archive.unpack(data, tmp_path / "to")
    assert sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()) < 1 << 20


def test_there_is_a_limit_to_size_and_number(tmp_path: Path) -> None:
    bomb = tar_of(file("zeros", b"\0" * (4 << 20)))
    assert len(bomb.getvalue()) < 10_000
    with pytest.raises(ArchiveInvalid, match="more than 1000000 bytes"):
        archive.unpack(bomb, tmp_path / "a", limit_bytes=1_000_000)
    with pytest.raises(ArchiveInvalid, match="more than 3 files"):
        archive.unpack(tar_of(*(file(f"f{i}") for i in range(4))), tmp_path / "b", limit_files=3)
    with pytest.raises(ArchiveInvalid, match="more than 3 files"):
        archive.unpack(tar_of(*(file(f"d{i}", b"", type=tarfile.DIRTYPE) for i in range(8))), tmp_path / "c", limit_files=3)


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_is_told(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveInvalid, match="cannot be read"):
        archive.unpack(io.BytesIO(data), tmp_path / "to")


def test_a_cut_archive_is_told(tmp_path: Path) -> None:
    whole = tar_of(file("a", os.urandom(100_000))).getvalue()
    with pytest.raises(ArchiveInvalid):
        archive.unpack(io.BytesIO(whole[: len(whole) // 2]), tmp_path / "to")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_come_out_as_they_were_with_harmless_modes(tmp_path: Path, mode: str) -> None:
    old = os.umask(0o022)
    try:
        members = (
            file("d/run", b"#!", mode=0o6777),
            file("d/data", b"\0\xff", mode=0o666),
            file("empty", b""),
            file("e", b"", type=tarfile.DIRTYPE),
        )
        contents = archive.unpack(tar_of(*members, mode=mode), tmp_path / "to")
    finally:
        os.umask(old)
    assert contents == archive.Contents(files=3, size=4)
    assert (tmp_path / "to/d/data").read_bytes() == b"\0\xff"
    assert (tmp_path / "to/d/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "to/d/data").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "to/empty").read_bytes() == b""


def test_what_is_packed_is_unpacked_and_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / ".git").mkdir(parents=True)
    (source / "sub" / ".git" / "config").write_text("no")
    (source / "sub" / "ü").write_text("text")
    (source / "run.sh").write_text("#!/bin/sh")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")

    def leave_out(path: PurePosixPath) -> bool:
        return path.name == ".git"

    first, second = io.BytesIO(), io.BytesIO()
    assert archive.pack(source, first, leave_out=leave_out).files == 3
    os.utime(source / "run.sh", (1, 1))
    archive.pack(source, second, leave_out=leave_out)
    assert first.getvalue() == second.getvalue()
    first.seek(0)
    archive.unpack(first, tmp_path / "to")
    assert sorted(str(p.relative_to(tmp_path / "to")) for p in (tmp_path / "to").rglob("*") if p.is_file()) == ["link", "run.sh", "sub/ü"]
    assert (tmp_path / "to/link").read_text() == "#!/bin/sh"
    assert os.access(tmp_path / "to/run.sh", os.X_OK)


@pytest.mark.parametrize(
    "make",
    [
        lambda at: (at / "out").symlink_to("/etc/passwd"),
        lambda at: (at / "gone").symlink_to("nowhere"),
        lambda at: (at / "dir").symlink_to("/etc"),
        lambda at: os.mkfifo(at / "pipe"),
    ],
)
def test_what_leads_out_of_a_directory_is_not_packed(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "source").mkdir()
    make(tmp_path / "source")
    with pytest.raises(ArchiveInvalid):
        archive.pack(tmp_path / "source", io.BytesIO())


@pytest.mark.parametrize("path", ["..", "a/../..", "link", "missing", "file"])
def test_a_path_below_a_source_stays_there(tmp_path: Path, path: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("")
    (tmp_path / "root/link").symlink_to("/etc")
    with pytest.raises(ArchiveInvalid):
        archive.below(tmp_path / "root", path)


@pytest.mark.parametrize("path", ["", ".", "/", "sub", "/sub/", "./sub"])
def test_a_path_below_a_source_is_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)
    expected = tmp_path / "root" / ("sub" if "sub" in path else "")
    assert archive.below(tmp_path / "root", path) == expected.resolve()


def test_a_name_that_could_not_be_unpacked_is_not_packed(tmp_path: Path) -> None:
    for name, words in ((b"caf\xe9.tf", "not UTF-8"), (b"a\\b.tf", "no usable path")):
        module = tmp_path / str(len(name))
        module.mkdir()
        (module / os.fsdecode(name)).write_text("x")
        with pytest.raises(ArchiveInvalid, match=words):
            archive.pack(module, io.BytesIO())
        with pytest.raises(ArchiveInvalid, match=words):
            archive.unpack(tar_of(file(os.fsdecode(name))), tmp_path / f"to-{len(name)}")


@pytest.mark.parametrize("closed", ["secret", "secret/main.tf"])
def test_what_may_not_be_read_is_named_and_not_left_out(closed: str) -> None:
    with TemporaryDirectory() as directory:
        module = Path(directory)
        module.chmod(0o755)
        (module / "secret").mkdir()
        (module / "secret/main.tf").write_text("x")
        (module / closed).chmod(0)
        with as_nobody(), pytest.raises(ArchiveInvalid, match=r"secret.*Permission denied"):
            archive.pack(module, io.BytesIO())
        (module / closed).chmod(0o700)
