"""The process that checks exports: fresh, so that it never saw the model that was evaluated."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from transferkit.type_names import NamedValues

__all__ = ["Checker"]

# What lies in the user's working folder must not stand in for a library. transferkit's own folder comes last:
# it may be a checkout, or one full of packages that must not stand in for the standard library.
_START = """
import sys
sys.path[:] = [place for place in sys.path if place] + [sys.argv[1]]
from transferkit.export.checker import main
main(sys.argv[2:])
"""
_PATIENCE = 900  # seconds that an artefact may take to load and answer


class Checker:
    """The fresh process, started at once; its TensorFlow is imported while others work.

    Use it as a context manager: leaving ends the process.

    Args:
        formats: what will be checked, so that it can prepare.
    """

    def __init__(self, formats: Sequence[str]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(Path(__file__).resolve().parents[2]), *formats],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            encoding="utf-8",
        )
        self._open = 0
        self._replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(self._process.stdout, self._replies), daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def idle(self) -> bool:
        """It lives and has answered all that it was asked."""
        return self._process.poll() is None and not self._open

    def order(
        self, name: str, path: Path, files: Sequence[str], answers: Path, pictures: Sequence[str] = ()
    ) -> None:
        """Asks for a check and returns at once; replies come in the order of the orders.

        Args:
            name: of the format.
            path: of the artefact.
            files: images that it is asked about.
            answers: where its outputs are to be written.
            pictures: PNG files whose pixels are given to a signature that takes any size.
        """
        order = {
            "format": name,
            "path": str(path),
            "files": list(files),
            "pictures": list(pictures),
            "answers": str(answers),
        }
        pipe = self._process.stdin
        self._open += 1
        try:
            pipe.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
            pipe.flush()  # type: ignore[union-attr]
        except OSError:
            pass  # it ended; the reply says so

    def reply(self) -> NamedValues:
        """Waits for the next reply: ``labels``, ``about``, ``all_outputs`` and ``seconds``, or ``error``."""
        self._open -= 1
        try:
            line = self._replies.get(timeout=_PATIENCE)
        except queue.Empty:
            self._process.kill()
            return {"error": f"the checking process did not answer in {_PATIENCE} s", "seconds": _PATIENCE}
        if line is None:
            self._replies.put(None)
            return {"error": f"the checking process ended: {self._last_words()}", "seconds": 0.0}
        result: NamedValues = json.loads(line)
        return result

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._complaints.close()

    def __enter__(self) -> Checker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"


def _listen(source: IO[str] | None, replies: queue.SimpleQueue[str | None]) -> None:
    try:
        for line in source or ():
            replies.put(line)
    except ValueError:
        pass  # closed while it was read
    replies.put(None)
