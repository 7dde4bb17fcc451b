"""The three ports, taken before anything else starts: one that another process has is told at once.

They listen from the first moment. Two processes may bind one port as long as none of them listens, and the later one would serve nothing.
"""

import errno
import socket

from exclave.server.settings import Settings

_WAITING = 2048  # connections that wait to be accepted, as many as uvicorn lets wait


class PortTaken(Exception):
    """A port that a setting names is in use. The message names both."""


def listen(settings: Settings) -> dict[str, socket.socket]:
    """Bind the three ports, or say which setting names one that is taken. Port 0 takes a free one."""
    bound: dict[str, socket.socket] = {}
    for name in ("public", "admin", "runner"):
        port = getattr(settings, f"{name}_port")
        sock = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((settings.host, port))
            sock.listen(_WAITING)
        except OSError as error:
            sock.close()
            for other in bound.values():
                other.close()
            is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
            way_out = f"free it, or set EXCLAVE_{name.upper()}_PORT" if is_port else "name an address of this machine in EXCLAVE_HOST"
            raise PortTaken(f"port {port} on {settings.host} cannot be used for the {name} API ({error.strerror}): {way_out}") from error
        bound[name] = sock
    return bound
