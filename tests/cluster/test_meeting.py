"""Workers meet at the chief's address before TensorFlow takes it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from transferkit.cluster import meeting
from transferkit.cluster.meeting import meet
from transferkit.cluster.place import Place
from transferkit.errors import UserError
from transferkit.runs.launch.worker import free_ports


def together(numbers, addresses, seconds=20.0, between=lambda: None):
    """What each worker is told, and the lines that they say."""
    found, lines = {}, []

    def come(number):
        found[number] = meet(Place(number, addresses), lines.append, seconds)

    threads = [threading.Thread(target=come, args=[number]) for number in numbers]
    for thread in threads:
        thread.start()
        between()
    for thread in threads:
        thread.join()
    return found, lines


@pytest.fixture
def addresses():
    return tuple(f"127.0.0.1:{port}" for port in free_ports(3))


@pytest.mark.parametrize("numbers", [(0, 1, 2), (2, 1, 0)])
def test_all_go_on_when_all_are_there_whoever_comes_first(addresses, numbers):
    found, lines = together(numbers, addresses, between=lambda: time.sleep(0.1))
    assert found == {0: (), 1: (), 2: ()}
    assert lines == []
    with socket.create_server(("127.0.0.1", int(addresses[0].split(":")[1]))):
        pass  # the port is free again


def test_who_has_not_come_is_named(addresses, monkeypatch):
    # Long enough for worker 1 to have come on a busy machine: who waits is said once.
    monkeypatch.setattr(meeting, "_PATIENT_SECONDS", 1.5)
    found, lines = together((0, 1), addresses, 3.0)
    assert found == {0: (addresses[2],), 1: (addresses[0],)}
    assert f"cluster: worker 0 of 3 ({addresses[0]}) waits for {addresses[2]}" in lines
    assert f"cluster: worker 1 of 3 ({addresses[1]}) waits for the chief at {addresses[0]}" in lines


def test_others_that_come_to_the_address_are_passed_over(addresses):
    def disturb():
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"transferkit worker 7\n", b"transferkit worker x\n", b""):
            try:
                with socket.create_connection(("127.0.0.1", int(addresses[0].split(":")[1])), 5) as other:
                    other.sendall(said)
            except OSError:
                time.sleep(0.1)

    found, _ = together((0, 1, 2), addresses, between=disturb)
    assert found == {0: (), 1: (), 2: ()}


def test_an_address_that_is_taken_is_said(addresses):
    with (
        socket.create_server(("", int(addresses[0].split(":")[1]))),
        pytest.raises(UserError, match="expected an address to listen on; Address already in use"),
    ):
        meet(Place(0, addresses), print, 5.0)
