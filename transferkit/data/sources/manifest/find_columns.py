"""Which column says what: by the names that tools and people give them, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from transferkit.data.file_names import shown
from transferkit.data.sources.manifest.line_names import GIVEN, header_of
from transferkit.data.sources.manifest.table import Table
from transferkit.data.sources.manifest.truth_splits import truth_columns, truth_splits
from transferkit.data.sources.manifest.without_header import are_pictures
from transferkit.errors import Faults, UserError, did_you_mean, fault

__all__ = ["ROLES", "Columns", "find_columns", "known_columns"]

ROLES = ("path", "label", "labels", "split", "group")
Columns = dict[str, int]

# Role to names, the surest first; of equally sure ones only one may be there. Written without case, spaces
# and signs: "Image Path", "image_path" and "imagePath" are one.
_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "path": (
        ("path",),
        ("filepath", "filename", "file", "fname", "imagepath", "imagefile", "imagefilename",
         "imagefilepath", "imagename", "imgpath", "imgname", "imgfile", "relativepath", "relpath", "fullpath",
         "files", "paths", "filenames"),
        ("image", "img", "images", "picture", "photo"),
        ("imageid", "imgid", "imageindex", "idcode", "id"),
    ),
    "label": (
        ("label",),
        ("class", "target", "category", "classname", "labelname", "categoryname", "classlabel", "targetname",
         "groundtruth"),
        ("y", "classid", "labelid", "categoryid", "targetid", "breed", "species", "diagnosis", "choice",
         "dx"),
    ),
    "labels": (("labels",), ("tags", "classes", "categories", "targets", "choices")),
    "split": (("split",), ("subset", "partition", "datasplit", "set", "fold", "usage")),
    "group": (("group",),),
}  # fmt: skip


def find_columns(table: Table, name: str, said: Mapping[str, str] | None = None) -> tuple[Columns, list[str]]:
    """Role to the number of its column, and notes on what was inferred.

    Args:
        table: the manifest.
        name: the manifest's name, for messages.
        said: role to the name of its column, where the user says it.

    Raises:
        UserError: a column that is named is not there, or a path or label cannot be found.
    """
    found = _said(table.columns, said or {})
    faults = Faults(_take_by_name(table, name, found))
    plain = [_plain(one) for one in table.columns]
    if not said and "label" in plain and "labels" in plain:
        expected = "the columns path and label (or labels), not both label and labels"
        raise UserError(fault(header_of(name), ",".join(table.columns), expected))
    faults.refuse()
    _complete(table, found)
    marks: list[int] = []
    notes: list[str] = []
    if "path" in found and not {"label", "labels"} & set(found):
        marks = _mark_columns(table, found)
        notes += _marks(table, name, found, marks)
    truths: dict[int, str] = {}
    if "path" in found and "split" not in found:
        truths = {i: split for i, split in truth_columns(table).items() if i not in found.values()}
        notes += truth_splits(table, name, found, truths)
    if "path" not in found or not ({"label", "labels", "marks"} & set(found)):
        raise UserError(_missing(table.columns, name, found))
    read = {*found.values(), *marks, *truths}
    return found, [*_inferred(table, name, found, said or {}), *notes, *_unread(table, name, read)]


def _take_by_name(table: Table, name: str, found: Columns) -> list[str]:
    """Takes the columns whose names say their role, beside those that the user named; gives the faults."""
    if found and "label" not in found and "labels" not in found and "path" not in found:
        said_roles: set[str] = set()
    else:
        said_roles = set(found)
    taken = set(found.values())
    faults: list[str] = []
    for role in ROLES:
        if role in said_roles or (role in ("label", "labels") and {"label", "labels"} & set(found)):
            continue
        numbers = [i for i in _candidates(table.columns, role) if i not in taken]
        if role == "label" and [_plain(table.columns[i]) for i in numbers] == ["y"]:
            # Beside columns x and z of 0 and 1 it is one of them.
            numbers = [] if len(_mark_columns(table, found)) > 1 else numbers
        if len(numbers) > 1:
            several = ", ".join(table.columns[i] for i in numbers)
            hint = f"say which is the {role}: data.columns = {{ {role} = {table.columns[numbers[0]]!r} }}"
            if len({table.columns[i] for i in numbers}) == 1:
                hint = "each column needs a name of its own"
            faults.append(
                fault(header_of(name), several, f"one column for the {role}", hint.replace("'", '"'))
            )
        if numbers:
            found[role] = numbers[0]
            taken.add(numbers[0])
    return faults


def _inferred(table: Table, name: str, found: Columns, said: Mapping[str, str]) -> list[str]:
    """A note on the roles that the user did not say."""
    inferred = [
        f"{role} = {table.columns[number]!r}"
        for role, number in found.items()
        if role not in said and role != "marks" and _plain(table.columns[number]) != role
    ]
    return [f"{name}: columns {', '.join(inferred)}; data.columns names others"] if inferred else []


def _unread(table: Table, name: str, read: Collection[int]) -> list[str]:
    """A note on the columns that nobody reads."""
    unread = [one for i, one in enumerate(table.columns) if i not in read and _is_named(one)]
    more = ", …" if len(unread) > 5 else ""
    return [f"{name}: not read: {', '.join(map(shown, unread[:5]))}{more}"] if unread else []


def _complete(table: Table, found: Columns) -> None:
    """Takes the one column that can only be the path, or the label, whatever it is called.

    Labels come more than once: what differs in most rows is a caption, a mask or a number.
    """
    free = [i for i, one in enumerate(table.columns) if i not in found.values() and _is_named(one)]
    if "path" not in found:
        pictures = [i for i in free if are_pictures([cells[i] for _, cells in table.rows])]
        if len(pictures) == 1:
            found["path"] = pictures[0]
            free.remove(pictures[0])
    if set(found) == {"path"} and len(free) == 1:
        labels = [str(cells[free[0]]).strip() for _, cells in table.rows]
        if 2 * len(set(labels)) <= len(labels):
            found["label"] = free[0]


def known_columns(columns: Sequence[str], said: Mapping[str, str] | None = None) -> int:
    """How many roles these columns have a name for."""
    named = {name.strip().casefold() for name in (said or {}).values()}
    here = sum(1 for one in columns if one.strip().casefold() in named)
    return here + sum(1 for role in ROLES if _candidates(columns, role))


def _said(columns: Sequence[str], said: Mapping[str, str]) -> Columns:
    found: Columns = {}
    faults = Faults()
    for role, column in said.items():
        same = [i for i, one in enumerate(columns) if one == column.strip()]
        same = same or [i for i, one in enumerate(columns) if one.casefold() == column.strip().casefold()]
        if len(same) == 1:
            found[role] = same[0]
            continue
        expected = f"one of the manifest's columns ({', '.join(columns[:20])})"
        hint = did_you_mean(column, columns) if not same else "several columns have this name"
        faults.append(fault(f"data.columns.{role}", column, expected, hint))
    faults.refuse()
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _candidates(columns: Sequence[str], role: str) -> list[int]:
    """The columns of the surest names that there are."""
    plain = [_plain(one) for one in columns]
    for names in _NAMES[role]:
        here = [i for i, one in enumerate(plain) if one in names]
        if here:
            return here
    return []


def _is_named(column: str) -> bool:
    return bool(column) and not column.startswith("Unnamed:")


def _mark_columns(table: Table, found: Columns) -> list[int]:
    """The columns of 0 (or -1) and 1, one a class, where all that have no role yet are such."""
    taken = {*found.values(), *truth_columns(table)}
    others = [i for i, column in enumerate(table.columns) if i not in taken and _is_named(column)]
    marks = [i for i in others if table.rows and all(_mark(cells[i]) is not None for _, cells in table.rows)]
    if len(marks) < 2 or len(marks) < len(others) or len({table.columns[i] for i in marks}) < len(marks):
        return []
    return marks


def _marks(table: Table, name: str, found: Columns, marks: list[int]) -> list[str]:
    """Takes these columns as labels; the table then has one column of lists more."""
    if not marks:
        return []
    each = [[table.columns[i] for i in marks if _mark(cells[i])] for _, cells in table.rows]
    single = all(len(names) == 1 for names in each)
    for (_, cells), names in zip(table.rows, each, strict=True):
        cells.append(names[0] if single else names)
    found["label" if single else "labels"] = len(table.columns)
    table.columns.append("label" if single else "labels")
    first = ", ".join(table.columns[i] for i in marks[:5]) + (", …" if len(marks) > 5 else "")
    nobody = sorted({table.columns[i] for i in marks} - {one for names in each for one in names})
    return [
        f"{name}: {len(marks)} columns of 0 and 1 are read as labels ({first})",
        *([f"{name}: no image has {', '.join(map(shown, nobody[:5]))}: no class"] if nobody else []),
    ]


def _mark(cell: object) -> bool | None:
    text = str(cell).strip()
    if text in ("0", "0.0", "-1", "-1.0", "1", "1.0"):
        return text.startswith("1")
    return None


def _missing(columns: Sequence[str], name: str, found: Columns) -> str:
    expected = "the columns path and label (or labels), optionally split and group"
    if any(re.search(r"\.(jpe?g|png|gif|bmp|webp|tiff?)(\s|$)", one, re.I) for one in columns):
        hint: str | None = "the first line is no header: put one above it that names the columns"
    elif "path" in found and len(columns) == 1:
        hint = "there are no labels in it; transferkit predict takes images without labels"
    else:
        wrong = [did_you_mean(one, ROLES) for one in columns if _plain(one) not in ROLES]
        hint = next((one for one in wrong if one), None)
        if hint is None and len(columns) > 1:
            role = "label" if "path" in found else "path"
            hint = f"say which column is the {role}: --set 'data.columns={{{role}=\"NAME\"}}'"
    if name == GIVEN and "path" not in found:
        index = "where the paths are its index, data.reset_index() makes a column of them"
        hint = index if hint is None else f"{hint}; {index}"
    return fault(header_of(name), ",".join(columns)[:120], expected, hint)
