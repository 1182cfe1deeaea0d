"""A run is a folder that appears whole or not at all.

It is written beside its place, as ``.NAME.partial``, and renamed when everything is in it. What a killed run
leaves is the partial folder, from which ``--resume`` continues. One process at a time works on a place: it
holds the lock ``.NAME.lock`` beside it, which the system releases when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from transferkit.data.file_names import shown
from transferkit.errors import UserError, fault
from transferkit.files.lock import try_lock

__all__ = ["RunFolder"]


class RunFolder:
    """The place of a run, and the partial folder beside it.

    Args:
        path: where the finished run will lie.

    Attributes:
        path: the same.
        name: of the place, for messages.
        partial: the folder that is worked in.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = str(path)
        if not self.path.name:
            raise UserError(fault("run", str(path), "a folder's name"))
        self.partial = self.path.parent / f".{self.path.name}.partial"
        self._replaced = self.path.parent / f".{self.path.name}.replaced"
        self._check_name()

    @property
    def occupied(self) -> bool:
        """Something is there, a run or not."""
        return self.path.exists()

    @property
    def finished(self) -> bool:
        """A finished run is there."""
        return (self.path / "metrics.json").exists()

    @property
    def interrupted(self) -> bool:
        """An earlier run to this place did not end."""
        return self.partial.exists()

    @property
    def resumable(self) -> bool:
        """What the earlier run kept is enough to go on with."""
        return any((self.partial / name).exists() for name in ("recipe.toml", "sweep.toml", "choice.toml"))

    @contextlib.contextmanager
    def held(self, resume: bool = False) -> Iterator[None]:
        """Keeps every other process from this place.

        Args:
            resume: an interrupted run is to be continued, whose files are here.

        Raises:
            UserError: another process works there.
        """
        with contextlib.ExitStack() as stack:
            try:
                lock = self.path.parent / f".{self.path.name}.lock"
                held, holder = stack.enter_context(try_lock(lock))
            except OSError as error:
                self._check_writable()
                hint = error.strerror or str(error)
                raise UserError(fault("run", str(self.path), "a place that can be written", hint)) from None
            if not held:
                what = f"process {holder}" if holder else "another process"
                expected = "a place that no other process is working on"
                hint = f"{what} is: wait until it has ended, or choose another --run"
                raise UserError(fault("run", str(self.path), expected, hint))
            yield

    def check(self, overwrite: bool, resume: bool) -> None:
        """Refuses what would destroy an earlier run. Writes nothing.

        Raises:
            UserError: a run is there already, or an interrupted one that is neither resumed nor discarded.
        """
        if overwrite and resume:
            raise UserError(
                fault(
                    "run", "--overwrite and --resume", "one of them", "the one discards, the other continues"
                )
            )
        place = os.path.abspath(self.path)
        if shown(place) != place:
            # TensorFlow's files and the run's own name it in UTF-8.
            raise UserError(fault(f"run: {shown(place)}", None, "a path in UTF-8", "choose another --run"))
        whole = next((one for one in Path(place).parents if _is_run(one)), None)
        if whole is not None:
            hint = "a run holds what was written with it and nothing else: choose another --run"
            raise UserError(fault("run", str(self.path), f"a place outside of the run {whole}", hint))
        if self.occupied and not overwrite and not (resume and self.interrupted):
            hint = "choose another --run, or replace it with --overwrite"
            if self.path.is_dir() and not self.finished:
                hint = "it holds something else than a run: choose another --run"
            raise UserError(fault("run", self.name, "a place where nothing is yet", hint))
        if overwrite and self.occupied and not self.finished:
            hint = "it is no run, so it is not overwritten: choose another --run"
            raise UserError(fault("run", self.name, "a finished run to overwrite", hint))
        if self.interrupted and not (overwrite or resume):
            hint = "continue it with --resume, or discard it with --overwrite"
            raise UserError(fault("run", self.name, None, f"an interrupted run is there; {hint}"))
        self._check_writable()

    def open(self, resume: bool) -> Path:
        """Makes the partial folder, or takes up the one that is there, and returns it."""
        if not resume and self.partial.exists():
            shutil.rmtree(self.partial)
        self.partial.mkdir(parents=True, exist_ok=True)
        return self.partial

    def keep(self, now: bool = True) -> str | None:
        """Secures the partial folder against the loss of this machine, where the place is elsewhere.

        Args:
            now: False leaves it out where it was done a moment ago.

        Returns:
            What went wrong, in a line for people; always None where the place is on this machine.
        """
        return None

    def finish(self) -> Path:
        """Puts the finished run in its place; an overwritten one goes only when its successor is whole."""
        old = self._replaced
        if self.path.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.rename(self.path, old)
        os.rename(self.partial, self.path)
        shutil.rmtree(old, ignore_errors=True)
        return self.path

    def discard(self) -> None:
        """Removes the partial folder."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _check_name(self) -> None:
        """Refuses a name to which nothing can be added, as the hidden folders beside a run need it."""
        try:
            os.lstat(self._replaced)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                shown = self.path.name if len(self.path.name) < 60 else f"{self.path.name[:60]}…"
                hint = "choose a shorter --run"
                raise UserError(fault("run", shown, "a shorter name or path", hint)) from None
        except ValueError:
            raise UserError(fault("run", str(self.path), "a path without NUL characters")) from None

    def _check_writable(self) -> None:
        parent = self.path.parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise UserError(
                fault("run", str(self.path), "a place that can be written", f"{parent} cannot be")
            )


def _is_run(folder: Path) -> bool:
    return (folder / "metrics.json").is_file() and (folder / "recipe.toml").is_file()
