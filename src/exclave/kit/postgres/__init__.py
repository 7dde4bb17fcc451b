"""An embedded PostgreSQL for one machine: the programs of a wheel, started and stopped by rules of our own.

`start(base)` makes the cluster below `base` when there is none, starts it and returns how to connect; `Cluster.stop()` ends it.
It never listens on TCP, never trusts a local user, never runs as root, and changes no mode or owner of a path that it did not make.
`exclave server` never comes here: it connects to a database that somebody else runs.
"""

from exclave.kit.postgres.cluster import Cluster, check_user, find, remove, start, stop_left_over
from exclave.kit.postgres.place import create_base, default_base
from exclave.kit.postgres.problems import (
    AlreadyRunning,
    NoHome,
    NoSocketPath,
    NotOurs,
    OtherVersion,
    PostgresProblem,
    ProgramsMissing,
    StartFailed,
    StillRunning,
    Unreachable,
    UserNotMade,
    UserWithoutName,
    explained,
)

__all__ = [
    "AlreadyRunning",
    "Cluster",
    "NoHome",
    "NoSocketPath",
    "NotOurs",
    "OtherVersion",
    "PostgresProblem",
    "ProgramsMissing",
    "StartFailed",
    "StillRunning",
    "Unreachable",
    "UserNotMade",
    "UserWithoutName",
    "check_user",
    "create_base",
    "default_base",
    "explained",
    "find",
    "remove",
    "start",
    "stop_left_over",
]
