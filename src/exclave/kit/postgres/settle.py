"""Settle a cluster in a directory that the user of its server can enter. Modes on the way there are not ours to change."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from exclave.kit.postgres.account import Account, name_of
from exclave.kit.postgres.place import Place, create_base, default_base, make_directory
from exclave.kit.postgres.problems import NotOurs, Unreachable


def settle(place: Place, account: Account, progress: Callable[[str], None]) -> None:
    """Make the cluster's directory.

    When root's data directory is below a private one (a HOME, what `mktemp -d` made), the server's user cannot enter it: then
    the files are in /var/lib/exclave/clusters, and `postgres` is a link to them.
    """
    link = place.base / "postgres"
    if link.is_symlink():
        check_owner(link, link.lstat().st_uid)
    elif account.can_enter(place.base):
        make_directory(link, 0o711 if os.geteuid() == 0 else 0o700)
    elif not link.exists():
        clusters = create_base(default_base()) / "clusters"
        make_directory(clusters, 0o711)
        home = Path(tempfile.mkdtemp(dir=clusters, prefix=""))
        home.chmod(0o711)
        link.symlink_to(home)
        progress(f"PostgreSQL's files go to {home}: the user {account.name}, as whom it runs, cannot enter {place.base}")
    check_owner(place.home, place.home.stat().st_uid)
    check_way(account, place.home)


def check_owner(path: Path, owner: int) -> None:
    """Refuse somebody else's cluster: what we wrote there would be out of its owner's reach, or follow links that the owner laid."""
    if owner != os.geteuid():
        raise NotOurs(f"{path} belongs to the user {name_of(owner)}: run as {name_of(owner)}, or choose another EXCLAVE_DATA_DIR")


def check_way(account: Account, home: Path) -> None:
    """Refuse a place that the server's user cannot enter, naming the directory in the way."""
    if account.can_enter(home):
        return
    in_the_way = next(path for path in [*reversed(home.parents), home] if not account.can_enter(path))
    raise Unreachable(
        f"PostgreSQL runs as the user {account.name}, who cannot enter {in_the_way} (mode {in_the_way.stat().st_mode & 0o7777:04o}): "
        "choose an EXCLAVE_DATA_DIR that other users can pass to, such as /var/lib/exclave, and let Exclave create it"
    )
