"""The ports of a process: taken at once, or told at once."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from exclave.server.ports import PortTaken, listen
from exclave.server.settings import Settings
from tests.processes import free_port


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[dict[str, socket.socket]]:
    sockets = listen(settings)
    try:
        yield sockets
    finally:
        for sock in sockets.values():
            sock.close()


def on(public: int = 0, admin: int = 0, runner: int = 0, host: str = "127.0.0.1") -> Settings:
    return Settings(host=host, public_port=public, admin_port=admin, runner_port=runner)


def test_of_two_that_start_at_a_time_one_is_refused() -> None:
    port = free_port()
    with listening(on(public=port)), pytest.raises(PortTaken, match=rf"port {port} .*EXCLAVE_PUBLIC_PORT"), listening(on(public=port)):
        pass


def test_two_listeners_of_one_process_cannot_share_a_port() -> None:
    port = free_port()
    with pytest.raises(PortTaken, match=rf"port {port} .*EXCLAVE_ADMIN_PORT"), listening(on(public=port, admin=port)):
        pass
    with listening(on(public=port)):  # what was bound before is free again
        pass


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_this_machine_is_named_by_its_setting(host: str) -> None:
    with pytest.raises(PortTaken, match="EXCLAVE_HOST"), listening(on(host=host)):
        pass
