"""The labels of a manifest: what is one class though it is written in two ways, and what is no class."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["MOST_CHARACTERS", "are_measurements", "divide_labels", "is_gap", "label_of", "one_spelling"]

MOST_CHARACTERS = 1000
# What programs write where there is no value. NA and None may be classes; these are not.
_GAPS = {"nan", "#n/a", "<na>"}
_MAYBE_GAPS = {"na", "n/a", "none", "null", "nil", "-", "?"}
# A whole number with what a spreadsheet adds or takes away: 1, 1.0 and 01.
_NUMBER = re.compile(r"0*([0-9]+?)(?:\.0+)?")
_SEPARATORS = {";": "semicolons", ",": "commas", " ": "spaces"}


def is_gap(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.casefold() in _GAPS


def are_measurements(labels: Iterable[str]) -> bool:
    """Whether labels, one a row, are numbers of which most differ and some are no whole ones.

    >>> are_measurements(["0.31", "1.77", "0.4"]), are_measurements(["0.0", "0.5", "0.0", "0.5"])
    (True, False)
    """
    given = list(labels)
    try:
        whole = [float(one).is_integer() for one in given]
    except (ValueError, OverflowError):
        return False
    return not all(whole) and len(set(given)) > max(2, len(given) / 2)


def label_of(value: Any) -> str | None:
    """The name of a class, or None for what is none: 1 and 1.0 and true would be three classes."""
    if isinstance(value, bool | float) or value is None or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    if not text or is_gap(text) or len(text) > MOST_CHARACTERS or any(c in text for c in "\r\n"):
        return None
    return text


def divide_labels(cells: Sequence[Any], name: str) -> tuple[list[Any], list[str]]:
    """Lists of class names from the cells of a column of labels, and notes; what is no list stays as it is.

    Cells are divided by ``|``, or are lists in JSON or Python. Where none of that is used, a sign divides
    them if the parts are fewer names than the cells: then the cells combine the parts.
    """
    texts = {cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()}
    notes = []
    sign = "|"
    if not any("|" in text or text.startswith("[") for text in texts):
        for other, called in _SEPARATORS.items():
            parts = {part.strip() for text in texts for part in text.split(other) if part.strip()}
            inside = any(other in text for text in texts)
            if inside and (len(parts) < len(texts) or (other == ";" and len(parts) == len(texts))):
                sign = other
                notes.append(f"{name}: labels divided by {called}: {len(parts)} classes; usual is |")
                break
            whole = next((text for text in sorted(texts) if _parts(text, other) & (texts - {text})), None)
            if whole is not None:
                notes.append(f"{name}: {whole!r} is one class; labels are divided by |")
                break
    return [_divided(cell, sign) if isinstance(cell, str) else cell for cell in cells], notes


def _parts(text: str, sign: str) -> set[str]:
    return {part.strip() for part in text.split(sign)}


def _divided(cell: str, sign: str) -> Any:
    if cell.strip().startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            pass
        try:
            return ast.literal_eval(cell.strip())  # as pandas writes a list
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return cell
    return [part.strip() for part in cell.split(sign) if part.strip()]


def one_spelling(
    labels: Iterable[str], raw: Iterable[Any], name: str, several: bool
) -> tuple[dict[str, str], list[str]]:
    """Label to the class that it means, and notes on what was joined or looks odd.

    One class are: the composed and decomposed forms of a letter; 1 and 1.0, where all labels are numbers.

    Args:
        labels: of all rows, without white space around them.
        raw: the cells, as they are written.
        name: the manifest's name, for messages.
        several: an image may have any number of labels.
    """
    count = Counter(labels)
    notes = []
    spaced = sum(1 for cell in raw if isinstance(cell, str) and cell != cell.strip())
    if spaced:
        notes.append(f"{name}: white space around {spaced} label(s) is left out")
    composed: dict[str, list[str]] = {}
    for label in count:
        composed.setdefault(unicodedata.normalize("NFC", label), []).append(label)
    meant = {label: (form if len(of) > 1 else label) for form, of in composed.items() for label in of}
    joined = [form for form, of in composed.items() if len(of) > 1]
    if joined:
        shown = ", ".join(joined[:5])
        notes.append(f"{name}: {shown}: composed and decomposed letters (NFC, NFD) are one class")
    whole = {label: _whole(form) for label, form in meant.items()}
    if all(number is not None for number in whole.values()):
        forms: dict[int, set[str]] = {}
        for label, number in whole.items():
            assert number is not None  # noqa: S101 -- for the type checker: looked at above
            forms.setdefault(number, set()).add(label)
        if any(len(of) > 1 and any("." in one for one in of) for of in forms.values()):
            meant = {label: str(number) for label, number in whole.items()}
            notes.append(f"{name}: labels are numbers: 1 and 1.0 are one class")
    classes = sorted(set(meant.values()))
    folded: dict[str, list[str]] = {}
    for one in classes:
        folded.setdefault(_folded(one), []).append(one)
    for of in folded.values():
        if len(of) > 1:
            notes.append(f"{name}: {' and '.join(map(repr, of))} are two classes: is one a misspelling?")
    whole_cell = next((one for one in classes if "|" in one), None)
    if whole_cell is not None and not several:
        notes.append(
            f"{name}: {whole_cell!r} is one class; a column named labels holds several, divided by |"
        )
    for label, images in count.items():
        if label.casefold() in _MAYBE_GAPS:
            notes.append(f"{name}: {images} image(s) have the label {label!r}: is it a missing value?")
    return meant, notes


def _folded(text: str) -> str:
    """What is alike to the eye: without case, spaces, signs of no width, forms of one sign or of a number."""
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    plain = "".join(unicodedata.normalize("NFKC", seen).casefold().split())
    found = _NUMBER.fullmatch(plain)
    return found[1] if found else plain


def _whole(text: str) -> int | None:
    head, dot, tail = text.partition(".")
    if (head.removeprefix("-").isdecimal() and head.isascii()) and (not dot or set(tail) == {"0"}):
        # 007 is a name, not a number.
        return int(head) if str(int(head)) == head else None
    return None
