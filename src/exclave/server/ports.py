"""The three ports, bound before anything else starts: a port that is taken is told at once."""

import socket

from exclave.server.settings import Settings


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
        except OSError as error:
            sock.close()
            for other in bound.values():
                other.close()
            raise PortTaken(
                f"port {port} on {settings.host} cannot be used for the {name} API ({error.strerror}): "
                f"free it, or set EXCLAVE_{name.upper()}_PORT"
            ) from error
        bound[name] = sock
    return bound
