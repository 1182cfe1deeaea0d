"""What a head of branches was found to be, as a file of the run: without it no weight has its place."""

from __future__ import annotations

import json
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files.whole_file import write_whole
from transferkit.type_names import NamedValues

__all__ = ["read_chosen", "write_chosen"]

_FILE = "head.json"


def write_chosen(folder: Path, chosen: NamedValues | None) -> None:
    """Writes ``head.json``; nothing where the recipe says all of the head."""
    if chosen is not None:
        write_whole(folder / _FILE, json.dumps(chosen, indent=2, ensure_ascii=False) + "\n")


def read_chosen(folder: Path) -> NamedValues | None:
    """What :func:`write_chosen` wrote; None where the recipe says all of the head.

    Raises:
        UserError: the file is damaged.
    """
    file = folder / _FILE
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        branches = [(one["kind"], one["levels"], int(one["units"])) for one in read["branches"]]
        if not branches or not isinstance(read["levels"], list):
            raise ValueError("it has no branches")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            fault(str(file), None, "the structure of the head", f"it is damaged: {error}")
        ) from None
    result: NamedValues | None = read
    return result
