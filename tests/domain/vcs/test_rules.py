"""Where a source may come from."""

from pathlib import Path

import pytest

from exclave.domain.vcs import rules
from exclave.kit import errors

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("repo", "url"),
    [
        ("acme/infra", "https://github.com/acme/infra.git"),
        ("acme/infra.git", "https://github.com/acme/infra.git"),
        ("https://git.example.com/a/b.git", "https://git.example.com/a/b.git"),
    ],
)
def test_a_slug_is_a_repository_on_github_and_a_url_stays_itself(repo: str, url: str) -> None:
    source = rules.checked(repo, "modules/./vpc", "main", "", ())
    assert (rules.url_of(source.repo), source.directory, source.branch) == (url, "modules/vpc", "main")


@pytest.mark.parametrize(
    ("repo", "directory", "branch", "says"),
    [
        ("git@github.com:acme/infra.git", ".", "main", "ssh and other transports are not taken"),
        ("ext::sh -c id", ".", "main", "not taken"),
        ("--upload-pack=id", ".", "main", "not taken"),
        ("https://user:secret@example.com/a", ".", "main", "a URL with credentials is not stored"),
        ("https://user:secret@[example.com/a", ".", "main", "host or port is malformed"),
        ("https://example.com:99999/a", ".", "main", "host or port is malformed"),
        ("https://user:secret/x@example.com/a", ".", "main", "host or port is malformed"),
        ("http://example.com/a", ".", "main", "neither owner/name nor an https URL"),
        ("https://example.com/a\n", ".", "main", "neither owner/name nor an https URL"),
        ("acme/infra\n", ".", "main", "neither owner/name nor an https URL"),
        ("acme/infra", "/etc", "main", "below the root"),
        ("acme/infra", "a/../../b", "main", "leads out"),
        ("acme/infra", ".", "", "needs a branch"),
        ("acme/infra", ".", "--upload-pack=id", "not the name of a branch"),
        ("acme/infra", ".", "a b", "not the name of a branch"),
        ("acme/infra", ".", "a@{1}", "not the name of a branch"),
        ("acme/infra", ".", "x.lock", "not the name of a branch"),
        ("acme/infra", ".", "x" * 256, "not the name of a branch"),
        ("", ".", "main", "a repository is needed"),
        ("./", ".", "", "EXCLAVE_LOCAL_SOURCES"),
        ("~/infra", ".", "", "EXCLAVE_LOCAL_SOURCES"),
        ("file:///etc", ".", "", "EXCLAVE_LOCAL_SOURCES"),
        ("file:///srv/sources/a\0b", ".", "", "EXCLAVE_LOCAL_SOURCES"),
    ],
)
def test_anything_else_is_refused_with_the_way_out(repo: str, directory: str, branch: str, says: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        rules.checked(repo, directory, branch, "", ("/srv/sources",))
    assert says in raised.value.description
    assert "secret" not in raised.value.description


@pytest.mark.parametrize("branch", ["fix(login)", "feature/ü", "#12", "@scope/x", "a,b"])
def test_a_branch_may_have_any_name_that_git_gives_it(branch: str) -> None:
    assert rules.checked("acme/infra", ".", branch, "", ()).branch == branch


def test_an_uploaded_archive_needs_no_branch() -> None:
    source = rules.checked("./", "sandbox", "", DIGEST, ())
    assert (source.repo, source.directory, source.branch, source.archive) == ("./", "sandbox", "", DIGEST)


def test_an_archive_beside_a_repository_is_refused() -> None:
    with pytest.raises(errors.Invalid) as refused:
        rules.checked("https://me:secret@example.com/acme/infra", ".", "main", DIGEST, ())
    assert "secret" not in refused.value.description


@pytest.mark.parametrize("path", ["acme", "acme/infra/more", "acme/" + "x y" * 999])
def test_what_is_no_repository_on_github_is_said_briefly_and_without_its_password(path: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        rules.slug_of(f"https://me:secret@github.com/{path}")
    assert "secret" not in refused.value.description
    assert len(refused.value.description) < 300


def test_a_path_of_the_host_is_taken_below_a_listed_root_and_links_do_not_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "infra").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    assert rules.checked(str(root / "infra"), ".", "", "", (str(root),)).repo == f"file://{root}/infra"
    for wrong in (root / "link", root / ".." / "outside", tmp_path):
        with pytest.raises(errors.Invalid):
            rules.checked(str(wrong), ".", "", "", (str(root),))
