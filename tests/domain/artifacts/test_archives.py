"""What an uploaded archive may hold: nothing that could touch anything outside of its directory."""

import gzip
import io
import tarfile

import pytest

from exclave.domain.artifacts import rules
from exclave.kit import errors


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def packed(*members: tarfile.TarInfo) -> io.BytesIO:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for each in members:
            archive.addfile(each, io.BytesIO(b"x" * each.size) if each.isfile() else None)
    return io.BytesIO(gzip.compress(plain.getvalue()))


def test_plain_files_directories_and_links_that_stay_inside_are_taken() -> None:
    found = rules.read_archive(
        packed(
            member("modules", kind=tarfile.DIRTYPE),
            member("./modules/main.tf", size=10),
            member("main.tf", size=5),
            member("modules/link", kind=tarfile.SYMTYPE, link="../main.tf"),
            member("again", kind=tarfile.LNKTYPE, link="main.tf"),
        )
    )
    assert (found.files, found.size) == (2, 15)


@pytest.mark.parametrize(
    "wrong",
    [
        [member("/etc/passwd", size=1)],
        [member("../outside", size=1)],
        [member("a/../../outside", size=1)],
        [member("link", kind=tarfile.SYMTYPE, link="/etc/passwd")],
        [member("link", kind=tarfile.SYMTYPE, link="../outside")],
        [member("a/link", kind=tarfile.SYMTYPE, link="../../outside")],
        [member("a/link", kind=tarfile.SYMTYPE, link="b/../../../outside")],
        [member("hard", kind=tarfile.LNKTYPE, link="../outside")],
        [member("device", kind=tarfile.CHRTYPE)],
        [member("pipe", kind=tarfile.FIFOTYPE)],
        # A link that goes through another link would lead elsewhere than its text says.
        [member("deep/er", kind=tarfile.SYMTYPE, link="../here"), member("deep/er/file", size=1)],
    ],
    ids=lambda members: members[-1].name + " " + members[-1].linkname,
)
def test_whatever_leads_out_is_refused(wrong: list[tarfile.TarInfo]) -> None:
    with pytest.raises(errors.Invalid) as raised:
        rules.read_archive(packed(member("main.tf", size=1), *wrong))
    assert wrong[-1].name in raised.value.description


# Without the time in them: every worker of pytest must collect the same names.
@pytest.mark.parametrize("body", [b"", b"not an archive", gzip.compress(b"not a tar", mtime=0), gzip.compress(b"", mtime=0)])
def test_what_is_no_tar_gz_is_refused(body: bytes) -> None:
    with pytest.raises(errors.Invalid):
        rules.read_archive(io.BytesIO(body))


def test_an_archive_that_ends_too_early_is_refused() -> None:
    whole = packed(member("main.tf", size=100_000)).getvalue()
    with pytest.raises(errors.Invalid):
        rules.read_archive(io.BytesIO(whole[: len(whole) // 2]))


def test_a_damaged_archive_is_refused() -> None:
    whole = bytearray(packed(member("main.tf", size=100_000), member("b.tf", size=100_000)).getvalue())
    whole[len(whole) // 2 : len(whole) // 2 + 20] = b"\xff" * 20
    with pytest.raises(errors.Invalid):
        rules.read_archive(io.BytesIO(bytes(whole)))


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "UNPACKED_LIMIT", 1000)
    with pytest.raises(errors.TooLarge):
        rules.read_archive(packed(member("a", size=600), member("b", size=600)))


def test_an_archive_of_too_many_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ENTRIES_LIMIT", 3)
    with pytest.raises(errors.Invalid):
        rules.read_archive(packed(*(member(f"f{at}", size=1) for at in range(4))))


def test_a_manifest_with_a_title_that_leads_out_is_refused() -> None:
    text = b'{"config":{"digest":"sha256:1"},"layers":[{"digest":"sha256:2","annotations":{"org.opencontainers.image.title":"../x"}}]}'
    with pytest.raises(errors.Invalid):
        rules.manifest_of(text)
