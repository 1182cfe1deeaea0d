"""The state of a folder that is worked in, kept at a URL so that another machine can go on with it.

Files lie under their SHA-256 in ``objects/``; ``state.json``, which is written last, says which of them the
folder consists of. So a state is there whole or not at all, and what has not changed is not sent again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files.checksum_manifest import NAME, is_list_of_files
from transferkit.files.checksummed_json import SEAL, seal_of, sealed
from transferkit.files.file_hash import sha256_of_file
from transferkit.files.remote.fetch import RemoteFile, fetch_files
from transferkit.files.remote.location import Location
from transferkit.files.whole_file import write_whole
from transferkit.type_names import NamedValues

__all__ = ["Snapshots"]

_STATE, _OBJECTS = "state.json", "objects"
# Smaller files are read into memory: what is sent is what was summed up, though a writer appends to it.
_SMALL = 8 * 1024**2
_GROWING = ".tfevents."


class Snapshots:
    """The states of one folder.

    Args:
        location: where they are kept.
        folder: that is worked in.
        record: local file that says which state the folder came from or went to.
    """

    def __init__(self, location: Location, folder: Path, record: Path) -> None:
        self._location, self._folder, self._record = location, folder, record
        self._sums: dict[str, tuple[int, int, str]] = {}
        self._sent: set[str] = set()

    def there(self) -> bool:
        """Whether a state is kept."""
        return self._location.read(_STATE) is not None

    def keep(self) -> None:
        """Keeps the folder as it is now.

        Raises:
            UserError: the store cannot be written.
        """
        files: dict[str, NamedValues] = {}
        fresh: dict[str, Path | bytes] = {}
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if not path.is_file() or any(part.startswith(".") for part in name.split("/")):
                continue
            if name == NAME or name.startswith("export/"):
                continue  # made anew by whoever goes on
            known = self._object(path)
            files[name] = {"bytes": known[0], "sha256": known[1]}
            if known[1] not in self._sent:
                fresh[f"{_OBJECTS}/{known[1]}"] = known[2]
        self._location.upload(fresh)
        state = {"run": self._run(), "number": secrets.token_hex(8), "files": files}
        self._location.write(_STATE, sealed(state).encode())
        wanted = {one["sha256"] for one in files.values()}
        self._location.remove(f"{_OBJECTS}/{one}" for one in self._sent - wanted)
        self._sent = wanted
        write_whole(self._record, json.dumps({"run": state["run"], "number": state["number"]}))

    def bring(self) -> bool:
        """Makes the folder what was kept; False where nothing is.

        A folder that has gone on from the state that is kept, on this machine, stays as it is.

        Raises:
            UserError: what is kept is damaged, or cannot be read.
        """
        state = self._read()
        if state is None:
            return False
        files: dict[str, NamedValues] = state["files"]
        self._sent = {one["sha256"] for one in files.values()}
        if self._folder.is_dir() and self._recorded() == (state["run"], state["number"]):
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(self._folder).as_posix() not in files:
                path.unlink()
        place = f"{self._location.path}/{_OBJECTS}"
        wanted = {
            name: RemoteFile(f"{place}/{one['sha256']}", one["bytes"], "")
            for name, one in files.items()
            if not _is(self._folder / name, one)
        }
        systems = dict.fromkeys(wanted, self._location.system)
        for name, reason in fetch_files(self._folder, systems, wanted, self._location.url):
            if reason is None and not _is(self._folder / name, files[name]):
                reason = "it is not what was kept"
            if reason is not None:
                hint = f"{name} of the interrupted run is unavailable: {reason}"
                raise UserError(fault(self._location.key, self._location.url, None, hint))
        write_whole(self._record, json.dumps({"run": state["run"], "number": state["number"]}))
        return True

    def drop(self) -> None:
        """Removes all that is kept; the state first, so that none is there by half."""
        self._location.remove([_STATE])
        self._location.remove_all()
        self._record.unlink(missing_ok=True)
        self._sent = set()

    def _read(self) -> NamedValues | None:
        data = self._location.read(_STATE)
        if data is None:
            return None
        try:
            state = json.loads(data)
            intact = state.pop(SEAL) == seal_of(state) and is_list_of_files(state["files"])
            if intact and isinstance(state["run"], str) and isinstance(state["number"], str):
                return dict(state)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        hint = "what an interrupted run kept there is damaged; start again with --overwrite"
        raise UserError(fault(self._location.key, self._location.url, None, hint))

    def _recorded(self) -> tuple[str, str] | None:
        try:
            found = json.loads(self._record.read_text("utf-8"))
            return str(found["run"]), str(found["number"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _run(self) -> str:
        recorded = self._recorded()
        return recorded[0] if recorded is not None else secrets.token_hex(16)

    def _object(self, path: Path) -> tuple[int, str, Path | bytes]:
        """Bytes and SHA-256 of a file, and what is sent of it."""
        status = path.stat()
        if status.st_size < _SMALL or _GROWING in path.name:
            data = path.read_bytes()
            return len(data), hashlib.sha256(data).hexdigest(), data
        known = self._sums.get(str(path))
        if known is None or known[:2] != (status.st_size, status.st_mtime_ns):
            known = status.st_size, status.st_mtime_ns, sha256_of_file(path)
            self._sums[str(path)] = known
        return known[0], known[2], path


def _is(path: Path, known: NamedValues) -> bool:
    return (
        path.is_file() and path.stat().st_size == known["bytes"] and sha256_of_file(path) == known["sha256"]
    )
