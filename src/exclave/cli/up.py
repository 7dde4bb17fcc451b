"""`exclave up`: a server process of its own, and the context that names it.

The server starts before this process has imported anything that it needs itself: a start is mostly imports, and they run side by side.
"""

import json
import os
import signal
import subprocess
import sys

from exclave.kit import orphans


def run(context: str, *, as_json: bool = False) -> int:
    """Start everything, write the context of that name, and keep it running; gives the server's exit code."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "exclave.server", "up", str(writer)],
        stdin=subprocess.DEVNULL,
        pass_fds=(writer,),
        preexec_fn=orphans.ending_with_parent(signal.SIGTERM),
    )
    os.close(writer)
    # The server hears Ctrl-C and a closed terminal itself, as part of our process group; a signal to us alone is passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGTERM))
    with open(reader, "rb") as announced:
        facts = announced.read()  # when everything answers, or nothing when it ended before
    if facts:
        _welcome(json.loads(facts), context, as_json)
    code = server.wait()
    return code if code >= 0 else 128 - code


def _welcome(facts: dict[str, str], name: str, as_json: bool) -> None:
    from exclave.cli import contexts, output

    token = facts.pop("token")  # kept in files of mode 0600, and printed nowhere
    made = contexts.Context(api_url=facts["api_url"], token=token, org_id=facts["org_id"], data_dir=facts["data_dir"])
    kept = ""
    try:
        kept = contexts.keep(name, made)
        used = f"{kept} in {contexts.path()}"
    except (contexts.NoContext, OSError) as error:
        used = f"not written ({error}); the token is in {facts['data_dir']}/server/access.json"
    if as_json:
        output.note(f"context {used}; running, Ctrl-C stops everything")
        output.as_json({**facts, "context": kept})
        return
    output.data(f"public API   {facts['api_url']}  (docs at {facts['api_url']}/docs)")
    output.data(f"runner API   {facts['runner_api_url']}")
    output.data(f"org          {facts['org_name']} {facts['org_id']}")
    output.data(f"context      {used}")
    output.data("running; Ctrl-C stops everything")
