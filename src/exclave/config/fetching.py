"""Fetch the text that a value names by an address: https, or a file of a git repository.

The only place of the package that touches a network, and only for a value that asks for it. Five seconds and 4 MiB a value;
https only; git is called without prompts, hooks or other transports.
"""

from __future__ import annotations

import queue
import re
import threading
from typing import TYPE_CHECKING

from exclave.config.directory import MAX_TEXT
from exclave.config.values import FetchFailed

if TYPE_CHECKING:
    from http.client import HTTPResponse

TIMEOUT = 5.0


def fetch(address: str) -> str:
    """Give the text at an address, or raise `FetchFailed`."""
    if address.startswith("http://"):
        raise FetchFailed("only https is accepted")
    data = _https(address) if address.startswith("https://") else _git(address)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FetchFailed("it is not UTF-8 text") from None


def _https(address: str) -> bytes:
    # The time-out of a connection is one for each piece: a server that sends a byte now and then would hold us for days.
    given: queue.SimpleQueue[bytes | FetchFailed] = queue.SimpleQueue()
    threading.Thread(target=lambda: given.put(_answer(address)), daemon=True).start()
    try:
        answer = given.get(timeout=TIMEOUT)
    except queue.Empty:
        raise FetchFailed(f"it was not there after {TIMEOUT:g} seconds") from None
    if isinstance(answer, FetchFailed):
        raise answer
    return answer


def _answer(address: str) -> bytes | FetchFailed:
    import http.client
    import urllib.error
    import urllib.request

    class OnlyHttps(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
            if not newurl.startswith("https://"):
                raise FetchFailed("it redirects away from https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    try:
        with urllib.request.build_opener(OnlyHttps).open(address, timeout=TIMEOUT) as answer:
            return _whole(answer)
    except FetchFailed as failed:
        return failed
    except urllib.error.HTTPError as error:
        return FetchFailed(f"the server answered {error.code}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return FetchFailed(str(getattr(error, "reason", error)) or type(error).__name__)


def _whole(answer: HTTPResponse) -> bytes:
    data = answer.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise FetchFailed(f"it has more than {MAX_TEXT:,} bytes")
    if answer.length:
        raise FetchFailed("the connection ended before the text did")
    return data


def _git(address: str) -> bytes:
    import os
    import subprocess
    import tempfile

    found = re.fullmatch(r"(?:git::)?(?P<repo>.+?)//(?P<path>[^?]+)(?:\?ref=(?P<ref>[\w./-]+))?", _with_https(address))
    if not found:
        raise FetchFailed("write git::https://host/owner/repository//path/to/file?ref=branch")
    repo = found["repo"]
    if not re.fullmatch(r"https://[\w.-]+(:\d+)?/[\w./~-]+", repo):
        raise FetchFailed("only repositories on https are accepted")
    with tempfile.TemporaryDirectory(prefix="exclave-get-") as folder:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": folder,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        branch = ["--branch", found["ref"]] if found["ref"] else []
        command = ["git", "clone", "--quiet", "--depth", "1", "--no-tags", *branch, "--", repo, f"{folder}/repo"]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=4 * TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FetchFailed("git did not answer in time" if isinstance(error, subprocess.TimeoutExpired) else str(error)) from None
        if done.returncode:
            raise FetchFailed(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:][0] if done.stderr else "git failed")
        path = os.path.realpath(f"{folder}/repo/{found['path']}")
        if not path.startswith(os.path.realpath(f"{folder}/repo") + os.sep) or not os.path.isfile(path):
            raise FetchFailed(f"the repository has no file {found['path']}")
        if os.path.getsize(path) > MAX_TEXT:
            raise FetchFailed(f"it has more than {MAX_TEXT:,} bytes")
        with open(path, "rb") as stream:
            return stream.read()


def _with_https(address: str) -> str:
    plain = address.removeprefix("git::")
    found = re.fullmatch(r"git@([\w.-]+):(.+)", plain)
    if found:
        return f"https://{found[1]}/{found[2]}"
    return f"https://{plain}" if plain.startswith("github.com/") else plain
