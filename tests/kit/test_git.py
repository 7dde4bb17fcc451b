"""Repositories are fetched by a git that has nothing to misuse (test S21)."""

import os
import subprocess
from pathlib import Path

import pytest

from exclave.kit import git
from exclave.kit.git import CloneFailed, GitRefused


def run(at: Path, *arguments: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(at),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada Lovelace",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "x",
        "GIT_COMMITTER_EMAIL": "x@example.com",
    }
    return subprocess.run(["git", *arguments], cwd=at, env=env, check=True, capture_output=True, text=True).stdout.strip()


ODD_BRANCHES = ["fix(login)", "feature/ü", "#12", "@scope/x", "a,b", "50%"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("origin") / "repo"
    at.mkdir()
    run(at, "init", "-q", "-b", "main")
    (at / "main.tf").write_text("# one\n")
    run(at, "add", ".")
    run(at, "commit", "-qm", "First commit\n\nWith a body.")
    run(at, "tag", "v1.0.0")
    run(at, "tag", "-a", "v1-annotated", "-m", "tag")
    (at / "main.tf").write_text("# two\n")
    run(at, "commit", "-qam", "Second commit")
    run(at, "checkout", "-qb", "feature/x")
    (at / "main.tf").write_text("# feature\n")
    run(at, "commit", "-qam", "Feature")
    for branch in ODD_BRANCHES:
        run(at, "branch", branch)
    run(at, "checkout", "-q", "main")
    return at


@pytest.mark.parametrize(
    ("ref", "content"),
    [
        ("main", "# two\n"),
        ("", "# two\n"),
        ("feature/x", "# feature\n"),
        ("v1.0.0", "# one\n"),
        ("v1-annotated", "# one\n"),
        ("FULL", "# one\n"),
        ("SHORT", "# one\n"),
    ],
)
async def test_branches_tags_and_commits_are_fetched(repository: Path, tmp_path: Path, ref: str, content: str) -> None:
    first = run(repository, "rev-parse", "v1.0.0^{commit}")
    ref = {"FULL": first, "SHORT": first[:8]}.get(ref, ref)
    commit = await git.clone(f"file://{repository}", ref, tmp_path / "to", local_roots=[repository.parent])
    assert (tmp_path / "to/main.tf").read_text() == content
    assert commit.author_name == "Ada Lovelace"
    assert commit.author_email == "ada@example.com"
    if content == "# one\n":
        assert commit.sha == first
        assert commit.message == "First commit\n\nWith a body."
    assert os.listdir(tmp_path) == ["to"], "nothing is left beside the clone"


@pytest.mark.parametrize("branch", ODD_BRANCHES)
async def test_branches_with_odd_names_are_fetched(repository: Path, tmp_path: Path, branch: str) -> None:
    commit = await git.clone(f"file://{repository}", branch, tmp_path / "to", local_roots=[repository.parent])
    assert commit.sha == await git.remote_head(f"file://{repository}", branch, local_roots=[repository.parent])
    assert (tmp_path / "to/main.tf").read_text() == "# feature\n"


HOSTILE_REFS = [
    *("--upload-pack=touch /tmp/x", "-u", "a b", "a;b", "$(id)", "`id`", "a\nb", "a\0b", "main..x", "@{-1}", "refs//x", "x.lock"),
    *("+a:b", "a:b", "~", "a^", "a*", "x" * 300, "@", "/x", "x/", ".x", "a/.x", "a/x.lock/b", "main\n", "a\x7fb", "a\u202eb"),
]


@pytest.mark.parametrize("ref", HOSTILE_REFS)
async def test_hostile_references_are_refused_before_git_starts(repository: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(GitRefused):
        await git.clone(f"file://{repository}", ref, tmp_path / "to", local_roots=[repository.parent])
    assert not (tmp_path / "to").exists()
    with pytest.raises(GitRefused):
        await git.remote_head(f"file://{repository}", ref, local_roots=[repository.parent])


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "ext::sh% -c% id",
        "file:///etc",
        "/etc",
        "../x",
        "--upload-pack=id",
        "-oProxyCommand=id",
        "ssh://-oProxyCommand=id/x",
        "ssh://-o@host/x",
        "-oProxyCommand=id:x",
        "http://example.com/x",
        "git://example.com/x",
        "ftp://example.com/x",
        "fd::17",
        "https://",
        "https:///x",
        "",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "javascript:alert(1)",
        "a:b:c",
        "host:-x",
        "https://[example.com/a",
        "https://example.com:99999/a",
        "https://example.com:port/a",
    ],
)
async def test_other_transports_and_hostile_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(GitRefused):
        git.address_of(url)
    with pytest.raises(GitRefused):
        await git.clone(url, "main", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_local_repository_needs_a_listed_root(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed/link").symlink_to("/etc")
    roots = [tmp_path / "allowed"]
    assert git.address_of(f"file://{tmp_path}/allowed/repo", local_roots=roots).scheme == "file"
    for outside in (
        f"file://{tmp_path}/other",
        f"file://{tmp_path}/allowed/../other",
        f"{tmp_path}/allowed/link",
        f"file://{tmp_path}/allowedx",
    ):
        with pytest.raises(GitRefused, match="EXCLAVE_LOCAL_SOURCES"):
            git.address_of(outside, local_roots=roots)
    with pytest.raises(GitRefused):
        git.address_of(f"file://{tmp_path}/allowed/a%00b", local_roots=roots)


@pytest.mark.parametrize(
    ("given", "url", "scheme"),
    [
        ("owner/name", "https://github.com/owner/name.git", "https"),
        ("https://github.com/owner/name", "https://github.com/owner/name", "https"),
        ("git@github.com:owner/name.git", "git@github.com:owner/name.git", "ssh"),
        ("ssh://git@host:22/x", "ssh://git@host:22/x", "ssh"),
        ("https://user:p%40ss@host:8443/x?y#z", "https://host:8443/x", "https"),
    ],
)
def test_addresses_are_read(given: str, url: str, scheme: str) -> None:
    address = git.address_of(given)
    assert (address.url, address.scheme) == (url, scheme)


def test_a_password_leaves_the_address() -> None:
    address = git.address_of("https://x-access-token:s3cret@github.com/o/r.git")
    assert "s3cret" not in address.url + address.shown
    assert address.root == "https://github.com/"
    assert address.authorization.startswith("Basic ")
    assert git.passwords_in("https://x-access-token:s3%40cret@github.com/o/r.git") == ("s3@cret",)


async def test_what_is_not_there_is_told_without_a_password(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(CloneFailed, match="nowhere"):
        await git.clone(f"file://{repository}", "nowhere", tmp_path / "a", local_roots=[repository.parent])
    for unknown in ("f" * 40, "fffff"):
        with pytest.raises(CloneFailed, match=f"has no branch, tag or commit '{unknown}'"):
            await git.clone(f"file://{repository}", unknown, tmp_path / unknown, local_roots=[repository.parent])
    with pytest.raises(CloneFailed, match="missing"):
        await git.clone(f"file://{repository.parent}/missing", "main", tmp_path / "b", local_roots=[repository.parent])
    with pytest.raises(CloneFailed) as failed:
        await git.clone("https://user:s3cret@127.0.0.1:9/x", "main", tmp_path / "c", timeout=20)
    assert "s3cret" not in str(failed.value)


async def test_a_branch_that_cannot_be_fetched_is_not_called_unknown(tmp_path: Path) -> None:
    broken = tmp_path / "origin"
    broken.mkdir()
    run(broken, "init", "-q", "-b", "main")
    (broken / "main.tf").write_text("# one\n")
    run(broken, "add", ".")
    run(broken, "commit", "-qm", "First commit")
    for packed in (broken / ".git/objects").glob("??/*"):
        if run(broken, "cat-file", "-t", packed.parent.name + packed.name) == "blob":
            packed.unlink()
    with pytest.raises(CloneFailed) as failed:
        await git.clone(f"file://{broken}", "main", tmp_path / "to", local_roots=[tmp_path])
    assert "remote ref" not in str(failed.value)
    assert "/  /" not in str(failed.value)


async def test_hooks_and_configuration_of_others_do_nothing(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction"):
        (home / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (home / "hooks" / hook).chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n\thooksPath = {home}/hooks\n[protocol]\n\tallow = never\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "ran"))
    await git.clone(f"file://{repository}", "main", tmp_path / "to", local_roots=[repository.parent])
    assert not (tmp_path / "ran").exists()


async def test_the_commit_of_a_branch_is_told_without_a_clone(repository: Path) -> None:
    roots = [repository.parent]
    head = run(repository, "rev-parse", "main")
    tagged = run(repository, "rev-parse", "v1-annotated^{commit}")
    assert await git.remote_head(f"file://{repository}", "main", local_roots=roots) == head
    assert await git.remote_head(f"file://{repository}", "", local_roots=roots) == head
    assert await git.remote_head(f"file://{repository}", "v1-annotated", local_roots=roots) == tagged
    with pytest.raises(CloneFailed):
        await git.remote_head(f"file://{repository}", "nowhere", local_roots=roots)


async def test_submodules_are_not_followed(repository: Path, tmp_path: Path) -> None:
    outer = tmp_path / "origin" / "outer"
    outer.mkdir(parents=True)
    run(outer, "init", "-q", "-b", "main")
    run(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", f"file://{repository}", "inner")
    run(outer, "commit", "-qm", "With a submodule")
    await git.clone(f"file://{outer}", "main", tmp_path / "to", local_roots=[tmp_path])
    assert list((tmp_path / "to/inner").iterdir()) == []
