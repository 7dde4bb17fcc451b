"""Fetch one commit of a repository with the `git` program, which is given nothing to misuse (test S21).

No configuration of the machine or of a user is read, no prompt, no hook, no submodule, no helper; only https and ssh unless
the caller names roots below which `file://` is allowed; what a stranger wrote stands after `--`. A password in the URL is
taken out of it and reaches git by a file of mode 0600, never by its arguments.
"""

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from exclave.kit import process
from exclave.kit.errors import Invalid
from exclave.kit.refs import is_ref

TIMEOUT = 300.0
_FULL_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z", re.IGNORECASE)
_SHORT_HASH = re.compile(r"[0-9a-f]{5,40}\Z", re.IGNORECASE)
_SCP = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!//)[A-Za-z0-9_~][A-Za-z0-9_./~-]*\Z")
_SHORT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class GitRefused(Invalid):
    """The repository or reference is not one that we fetch."""

    code = "git_refused"


class CloneFailed(Invalid):
    """The repository cannot be fetched."""

    code = "git_failed"


@dataclass(frozen=True)
class Commit:
    """The commit that was fetched."""

    sha: str
    author_name: str
    author_email: str
    message: str


@dataclass(frozen=True)
class Address:
    """A repository's URL without its password, and the password. `shown` is safe to print."""

    url: str
    scheme: str
    authorization: str = ""
    root: str = ""  # scheme and host, to which the password belongs

    @property
    def shown(self) -> str:
        return self.url


def address_of(url: str, *, local_roots: Sequence[Path] = ()) -> Address:
    """Check a repository's URL. `owner/name` means GitHub; `file://` and plain paths need a root of `local_roots`."""
    if not url or any(c.isspace() or ord(c) < 32 for c in url) or url.startswith("-"):
        raise GitRefused(f"{url!r} is no URL of a repository")
    if url.startswith("/"):
        url = "file://" + url
    if "://" not in url:
        if _SHORT_NAME.match(url):
            return Address(f"https://github.com/{url}.git" if not url.endswith(".git") else f"https://github.com/{url}", "https")
        if _SCP.match(url):
            return Address(url, "ssh")
        raise GitRefused(f"{url!r} is no URL of a repository: use https://, ssh:// or owner/name")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # it is not said what it was: where there is no host, nobody knows what of it is a password
        raise GitRefused("the URL of the repository cannot be read: its host or port is malformed") from None
    scheme = parts.scheme.lower()
    if scheme == "file":
        if "\0" in (named := unquote(parts.path)):
            raise GitRefused(f"{url!r} is no URL of a repository")
        path = Path(os.path.realpath(named))
        if parts.netloc not in ("", "localhost") or not any(path.is_relative_to(root.resolve()) for root in local_roots):
            raise GitRefused(f"{url!r} is on this machine: list a directory above it in EXCLAVE_LOCAL_SOURCES to allow it")
        return Address(f"file://{path}", "file")
    if scheme not in ("https", "ssh") or not parts.hostname or parts.hostname.startswith("-"):
        raise GitRefused(f"{_without_password(url)!r} is not fetched: only https and ssh are")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host + (f":{port}" if port else "")
    if scheme == "ssh":
        user = unquote(parts.username or "git")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", user):
            raise GitRefused(f"{_without_password(url)!r} names no usable user")
        return Address(urlunsplit(("ssh", f"{user}@{place}", parts.path, "", "")), "ssh")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Address(urlunsplit(("https", place, parts.path, "", "")), "https", authorization, f"https://{place}/")


def check_ref(ref: str) -> str:
    """Return a branch, tag or commit that may stand in a git command, or refuse it."""
    if not is_ref(ref):
        raise GitRefused(f"{ref[:100]!r} is no branch, tag or commit")
    return ref


async def clone(
    url: str,
    ref: str,
    into: Path,
    *,
    local_roots: Sequence[Path] = (),
    on_line: process.OnLine | None = None,
    timeout: float = TIMEOUT,
) -> Commit:
    """Fetch one branch, tag or commit (full or short) into a new directory, without history where the far end allows it.

    An empty ref means the default branch. Raises GitRefused for what is never fetched, CloneFailed with git's last lines.
    """
    address = address_of(url, local_roots=local_roots)
    if ref:
        check_ref(ref)
    os.makedirs(into, mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="git-", dir=into.parent) as private:
        session = _Session(address, into, Path(private), on_line, timeout)
        await session.git("init", "--quiet", "--template=", "--", ".")
        if not await session.fetch(ref):
            session.raise_failed(ref)
        await session.git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD" if not session.found else session.found)
        return await session.head()


async def remote_head(url: str, ref: str, *, local_roots: Sequence[Path] = (), timeout: float = 30.0) -> str:
    """Return the commit that a branch or tag (or the default branch) points at, without fetching it."""
    address = address_of(url, local_roots=local_roots)
    if ref and _FULL_HASH.match(ref):
        return ref
    if ref:
        check_ref(ref)
    with tempfile.TemporaryDirectory(prefix="git-") as private:
        session = _Session(address, Path(private), Path(private), None, timeout)
        wanted = [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"] if ref else ["HEAD"]
        if await session.attempt("ls-remote", "--", address.url, *wanted):
            session.raise_failed(ref)
        found = {name: sha for sha, _, name in (line.partition("\t") for line in session.lines("stdout"))}
        for name in (wanted[0], wanted[-1], *wanted[1:]):
            if name in found:
                return found[name]
    raise CloneFailed(f"{address.shown} has no branch or tag {ref!r}")


class _Session:
    """One directory, one private home, one far end."""

    def __init__(self, address: Address, directory: Path, private: Path, on_line: process.OnLine | None, timeout: float) -> None:
        self.address, self.directory, self.on_line, self.timeout = address, directory, on_line, timeout
        self.output: list[process.Line] = []
        self.found = ""
        program = shutil.which("git")
        if program is None:
            raise process.ToolMissing("git is needed to fetch a repository: install git, or use a source directory instead.")
        self.program = program
        config = "/dev/null"
        if address.authorization:
            config = str(private / "config")
            handle = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(f'[http "{address.root}"]\n\textraHeader = "Authorization: {address.authorization}"\n')
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(private),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": config,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": "https:ssh" if address.scheme != "file" else "file",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new",
        }
        # Where the operator's network needs them: proxies, own certificates, an ssh agent.
        for name in (
            "http_proxy",
            "https_proxy",
            "no_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "SSH_AUTH_SOCK",
        ):
            if name in os.environ:
                self.env[name] = os.environ[name]

    async def attempt(self, *arguments: str) -> int:
        self.output = []
        fixed = [
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.symlinks=true",
            "-c",
            "protocol.version=2",
            "-c",
            "advice.detachedHead=false",
        ]
        fixed += ["-c", "core.fsmonitor=false", "-c", "transfer.fsckObjects=true", "-c", "fetch.recurseSubmodules=false"]
        if self.address.scheme == "file":
            fixed += ["-c", "safe.directory=*"]
        return await process.run(
            [self.program, *fixed, *arguments], cwd=self.directory, env=self.env, on_line=self._keep, timeout=self.timeout
        )

    async def git(self, *arguments: str) -> None:
        if await self.attempt(*arguments):
            self.raise_failed(arguments[0])

    async def fetch(self, ref: str) -> bool:
        """Fetch as little as possible; leave what to check out in FETCH_HEAD or `found`."""
        options = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]
        wanted = [f"refs/heads/{ref}", f"refs/tags/{ref}"] if ref else ["HEAD"]
        if _FULL_HASH.match(ref):
            wanted = [ref]
        for name in wanted:
            if not await self.attempt(*options, "--depth=1", "--", self.address.url, name):
                return True
            if not self.said("find remote ref"):
                break  # what went wrong here is the reason, not that there is no tag of this name either
        if not ref or not _SHORT_HASH.match(ref):
            return False
        # A short hash, or a far end that does not hand out single commits: all history, then look.
        everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        if await self.attempt(*options, "--", self.address.url, *everything):
            return False
        if await self.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"):
            raise CloneFailed(f"{self.address.shown} has no branch, tag or commit {ref!r}")
        self.found = self.lines("stdout")[-1].strip()
        return True

    async def head(self) -> Commit:
        await self.git("log", "-1", "--no-show-signature", "--format=%H%n%an%n%ae%n%B", "HEAD")
        sha, name, email, *message = self.lines("stdout")
        return Commit(sha, name, email, "\n".join(message).strip())

    def lines(self, stream: str) -> list[str]:
        return [line.text for line in self.output if line.stream == stream]

    def said(self, words: str) -> bool:
        return any(words in line for line in self.lines("stderr"))

    def raise_failed(self, ref: str) -> None:
        if ref and self.said("find remote ref"):
            raise CloneFailed(f"{self.address.shown} has no branch, tag or commit {ref!r}")
        tail = [_without_password(line) for line in self.lines("stderr") if line.strip()][-5:]
        raise CloneFailed(
            f"cannot fetch {ref or 'the default branch'!s} of {self.address.shown}: " + " / ".join(tail or ["git said nothing"])
        )

    def _keep(self, line: process.Line) -> None:
        self.output.append(line)
        if self.on_line is not None and line.stream == "stderr":
            self.on_line(line)


def _without_password(text: str) -> str:
    return re.sub(r"://[^/\s]*@", "://", text)


def passwords_in(url: str) -> tuple[str, ...]:
    """Return what must not be shown of a repository's URL."""
    if "://" not in url:
        return ()
    parts = urlsplit(url)
    return tuple(unquote(part) for part in (parts.password,) if part)
