"""Names as they are shown and stored: whatever bytes a disk calls a file, a run's text files can be written.

A file name may hold bytes that are no UTF-8. Python carries them as lone surrogates, which no text file and
no strict terminal takes. Shown and stored they stand as backslash escapes: ``caf\\xe9.png``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from transferkit.errors import fault

__all__ = ["class_name_faults", "class_order", "from_shown", "shown"]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")


def shown(name: str) -> str:
    r"""A name with each byte that is no UTF-8 as ``\xNN``, everything else as it is.

    >>> shown("caf\udce9 003.png")
    'caf\\xe9 003.png'
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that no file system gave
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def from_shown(name: str) -> str:
    r"""The name of a file that :func:`shown` shows so, unless it has these very signs itself.

    >>> from_shown(r"caf\xe9 003.png")
    'caf\udce9 003.png'
    """
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1]).decode("utf-8", "surrogateescape"), name)


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """The order of classes: as numbers where all names are integers, else by code point.

    >>> class_order(["10", "9", "2"]), class_order(["b", "10", "9"])
    (('2', '9', '10'), ('10', '9', 'b'))
    """
    distinct = set(names)
    if all(_INTEGER.fullmatch(name) for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def class_name_faults(names: Iterable[str]) -> list[str]:
    """A fault for each class name that a run could not store and read back.

    Every export carries its class names one a line, and every file of a run is UTF-8.
    """
    faults = []
    for name in names:
        if shown(name) != name:
            expected = "a class name in UTF-8"
            hint = "rename it, for instance with `convmv -f latin1 -t utf8 --notest`"
            faults.append(fault(f"data: class '{shown(name)}'", None, expected, hint))
        elif len(name.splitlines()) > 1 or name != "".join(name.splitlines()):
            expected = "a class name of one line"
            hint = "an export lists its class names one a line: rename it"
            faults.append(fault(f"data: class {name!r}", None, expected, hint))
    return faults
