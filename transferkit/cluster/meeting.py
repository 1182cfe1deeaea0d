"""The workers meet at the chief's address before TensorFlow brings them in touch.

TensorFlow waits for ever for a worker that never comes, and hears of nothing meanwhile, not even of Ctrl-C.
So each worker first says its number to the chief, over the port that TensorFlow takes afterwards, and goes on
when the chief has heard of all of them.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from transferkit.cluster.place import Place
from transferkit.errors import UserError, fault

__all__ = ["meet"]

_HELLO, _GO = b"transferkit worker %d\n", b"go\n"
_LOOK_SECONDS, _PATIENT_SECONDS = 0.5, 20.0


def meet(place: Place, say: Callable[[str], None], seconds: float) -> tuple[str, ...]:
    """Waits until all workers are there.

    Args:
        place: of this worker.
        say: is given a line where that takes long.
        seconds: how long at most.

    Returns:
        Who has not come in that time; empty where all are there.

    Raises:
        UserError: the chief's address cannot be listened on.
    """
    host, _, port = place.addresses[0].rpartition(":")
    until = time.monotonic() + seconds
    if place.is_chief:
        return _listen(place, int(port), say, until)
    late = _OnceLate(say, f"cluster: {place.describe()} waits for the chief at {place.addresses[0]}")
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 5.0) as connection:
            connection.settimeout(_LOOK_SECONDS)
            connection.sendall(_HELLO % place.number)
            if _is_sent(connection, until, late):
                return ()
        late.tell()
        time.sleep(_LOOK_SECONDS)
    return (place.addresses[0],)


class _OnceLate:
    """Says a line once, when there has been reason to be patient for a while."""

    def __init__(self, say: Callable[[str], None], line: str) -> None:
        self._say, self.line, self._since, self._said = say, line, time.monotonic(), False

    def tell(self) -> None:
        if not self._said and time.monotonic() - self._since > _PATIENT_SECONDS:
            self._said = True
            self._say(self.line)


def _is_sent(connection: socket.socket, until: float, late: _OnceLate) -> bool:
    """Whether the chief says that all are there; False where it has gone."""
    while time.monotonic() < until:
        try:
            return connection.recv(len(_GO)) == _GO
        except TimeoutError:
            late.tell()
    return False


def _listen(place: Place, port: int, say: Callable[[str], None], until: float) -> tuple[str, ...]:
    missing = dict(enumerate(place.addresses))
    del missing[0]
    late = _OnceLate(say, "")
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", port), backlog=place.count))
        except OSError as error:
            hint = f"{error.strerror}: choose another port, or end what holds it"
            raise UserError(fault("TF_CONFIG", place.addresses[0], "an address to listen on", hint)) from None
        server.settimeout(_LOOK_SECONDS)
        there: dict[int, socket.socket] = {}
        while missing and time.monotonic() < until:
            late.line = f"cluster: {place.describe()} waits for {', '.join(missing.values())}"
            late.tell()
            with contextlib.suppress(OSError):
                connection = stack.enter_context(server.accept()[0])
                connection.settimeout(5.0)
                number = _number(connection)
                # One that was started again comes again.
                if number is not None and 0 < number < place.count:
                    there[number] = connection
                    missing.pop(number, None)
        if not missing:
            for connection in there.values():
                with contextlib.suppress(OSError):
                    connection.sendall(_GO)
    return tuple(missing.values())


def _number(connection: socket.socket) -> int | None:
    """Which worker it is that has come; None for anybody else."""
    start, _, end = _HELLO.partition(b"%d")
    heard = connection.makefile("rb").readline(64)
    told = heard.removeprefix(start).removesuffix(end)
    return int(told) if heard.startswith(start) and told.isdigit() else None
