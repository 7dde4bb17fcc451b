"""Where a source may come from (spec domain.md 6).

A repository is `owner/name` on GitHub or an https URL. A source of the app's own directory is `./` with the digest of what was
uploaded. A path of this host is taken only below the roots that the operator listed.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from exclave.kit import errors
from exclave.kit.refs import is_ref

SETTING = "EXCLAVE_LOCAL_SOURCES"

# To be matched in full: `$` also matches before a line feed at the end.
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class PublicSource:
    """A source without credentials, as it may be stored."""

    repo: str
    directory: str
    branch: str
    archive: str = ""


def checked(repo: str, directory: str, branch: str, archive: str, local_roots: Sequence[str]) -> PublicSource:
    """Return the source to store, or say what is wrong with it."""
    if not repo:
        raise errors.Invalid("public_git_vcs_config.repo: a repository is needed")
    inside = checked_directory(directory)
    if archive:
        if not _DIGEST.fullmatch(archive):
            raise errors.Invalid(f"public_git_vcs_config.archive: {archive!r} is not a digest of the form sha256:<64 hex digits>")
        if not _is_path(repo):
            raise errors.Invalid(
                f"public_git_vcs_config: an uploaded archive goes with the repo './', not with {_shown(repo)}: give one or the other"
            )
        return PublicSource(repo="./", directory=inside, branch="", archive=archive)
    if _is_path(repo):
        return PublicSource(repo=_local(repo, local_roots), directory=inside, branch=checked_ref(branch))
    url_of(repo)
    if not branch:
        raise errors.Invalid(f"public_git_vcs_config.branch: {repo} needs a branch, tag or commit")
    return PublicSource(repo=repo, directory=inside, branch=checked_ref(branch))


def checked_directory(directory: str) -> str:
    """Return the directory below the root of its source, or raise: `.` is the root itself."""
    text = directory.strip() or "."
    if "\0" in text or "\\" in text or posixpath.isabs(text):
        raise errors.Invalid(f"directory: {directory!r} must be a path below the root of the source, with forward slashes")
    clean = posixpath.normpath(text)
    if clean == ".." or clean.startswith("../"):
        raise errors.Invalid(f"directory: {directory!r} leads out of the source")
    return clean


def checked_ref(ref: str) -> str:
    """Return a branch, tag or commit that is safe to hand to git, or raise."""
    if ref and not is_ref(ref):
        raise errors.Invalid(f"branch: {ref[:100]!r} is not the name of a branch, tag or commit")
    return ref


def url_of(repo: str) -> str:
    """Return the URL to clone: of a GitHub slug, or the https or listed file URL itself."""
    if _SLUG.fullmatch(repo):
        return f"https://github.com/{repo.removesuffix('.git')}.git"
    parts = _split(repo)
    if parts.scheme == "file":
        return repo
    if parts.scheme != "https" or not parts.hostname or " " in repo or not repo.isprintable():
        raise errors.Invalid(f"repo: {_shown(repo)} is neither owner/name nor an https URL; ssh and other transports are not taken")
    if parts.username or parts.password:
        raise errors.Invalid("repo: a URL with credentials is not stored; use connected_repo for a private repository")
    return repo


def slug_of(repo: str) -> tuple[str, str]:
    """Split a GitHub repository into owner and name: of `owner/name` or of its https URL."""
    text = repo
    parts = _split(repo)
    if parts.scheme in ("https", "http") and parts.hostname:
        text = parts.path.strip("/")
    text = text.removesuffix(".git")
    if not _SLUG.fullmatch(text):
        raise errors.Invalid(f"connected_github_vcs_config.repo: {_shown(repo)} is not of the form owner/name")
    owner, _, name = text.partition("/")
    return owner, name


def is_commit(ref: str) -> bool:
    """Does this ref name one commit for ever?"""
    return len(ref) == 40 and all(c in "0123456789abcdef" for c in ref)


def _split(repo: str) -> SplitResult:
    try:
        parts = urlsplit(repo)
        _ = parts.port  # read when it is asked for
    except ValueError:
        raise errors.Invalid(f"repo: {_shown(repo)} is no URL: its host or port is malformed") from None
    return parts


def _shown(repo: str) -> str:
    """A repository in the words of an error: short, and without what may be a password."""
    return repr(re.sub(r"://\S*@", "://", repo)[:200])


def _is_path(repo: str) -> bool:
    return repo in (".", "..") or repo.startswith(("./", "../", "/", "~", "file:"))


def _local(repo: str, roots: Sequence[str]) -> str:
    path = repo.removeprefix("file://") if repo.startswith("file://") else repo
    allowed = [Path(root).resolve() for root in roots if root]
    if path.startswith("/") and "\0" not in path:
        resolved = Path(path).resolve()
        if any(resolved == root or root in resolved.parents for root in allowed):
            return f"file://{resolved}"
    where = ", ".join(roots) or "none are listed"
    raise errors.Invalid(
        f"repo: {repo!r} is a path of the server's host. Upload the app's directory instead (`apps sync` does), or list its root in "
        f"the setting {SETTING} (now: {where})"
    )
