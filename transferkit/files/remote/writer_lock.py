"""A claim on a place at a URL, so that two machines do not write it at once.

Stores have no locks. The claim is a file that says who writes and when he last did; it is renewed while he
works, and counts no longer once it is some minutes old. Where the store can refuse to write a file that is
there, as S3 can, of two that begin in the same moment one is refused; elsewhere the later one
stays, and the other finds that at its next renewal. Clocks are taken to agree within a minute or two.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time

from transferkit.errors import UserError, fault
from transferkit.files.remote.location import Location
from transferkit.type_names import NamedValues

__all__ = ["WriterLock"]

_RENEW_SECONDS, _STALE_SECONDS = 30.0, 300.0


class WriterLock:
    """The claim; used in a ``with`` block.

    Args:
        location: the folder that holds the file of the claim.
        name: of that file.
        of: the URL that is written, for messages.
        local: where this machine works on it: whoever holds that alone takes over what an earlier process of
            this machine left.
    """

    def __init__(self, location: Location, name: str, of: str, local: str) -> None:
        self._location, self._name, self._of = location, name, of
        self._own = {"token": secrets.token_hex(16), "host": socket.gethostname(), "local": local}
        self._ended = threading.Event()
        self._lost: str | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> WriterLock:
        there = self._read()
        if there is not None:
            self._raise_if_held(there)
        data = self._data()
        try:
            if there is not None:  # what is there has ended
                self._location.write(self._name, data)
            else:
                self._location.create(self._name, data)
        except UserError:
            raise
        except Exception:  # it is there by now, or the store cannot tell
            there = self._read()
            if there is not None and there.get("token") != self._own["token"]:
                self._raise_if_held(there)
            self._location.write(self._name, data)
        there = self._read()
        if there is None or there.get("token") != self._own["token"]:
            self._raise_if_held(there or {})
        self._thread = threading.Thread(target=self._renew, daemon=True, name="transferkit-claim")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(UserError):
            there = self._read()
            if there is not None and there.get("token") == self._own["token"]:
                self._location.remove([self._name])

    def check(self) -> None:
        """Refuses to go on where another one has taken the place over.

        Raises:
            UserError: who has.
        """
        if self._lost is not None:
            hint = f"{self._lost} has taken it over: nothing more is written there by this process"
            raise UserError(fault(self._location.key, self._of, "a place that nobody else writes", hint))

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            with contextlib.suppress(Exception):  # the next time may go better
                there = self._read()
                if there is not None and there.get("token") != self._own["token"]:
                    self._lost = _who(there)
                    return
                self._location.write(self._name, self._data())

    def _raise_if_held(self, there: NamedValues) -> None:
        """Refuses, unless the claim has ended."""
        if (there.get("host"), there.get("local")) == (self._own["host"], self._own["local"]):
            return  # of a process of this machine that is gone, since this one holds its folder
        age = time.time() - float(there.get("time", time.time()))
        if age > _STALE_SECONDS:
            return
        left = max(1, round(_STALE_SECONDS - age))
        hint = f"{_who(there)} does; where it is gone, its claim ends in {left} s; or choose another place"
        raise UserError(fault(self._location.key, self._of, "a place that nobody else writes", hint))

    def _read(self) -> NamedValues | None:
        data = self._location.read(self._name)
        if data is None:
            return None
        try:
            found = json.loads(data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _data(self) -> bytes:
        return json.dumps({**self._own, "process": os.getpid(), "time": time.time()}).encode()


def _who(there: NamedValues) -> str:
    return f"process {there.get('process', '?')} on {there.get('host', 'another machine')}"
