"""Options that several verbs share, and how results are printed."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from transferkit.errors import one_line, printable

if TYPE_CHECKING:
    from transferkit.runs.finished.run import Run

__all__ = [
    "allow_code_option",
    "as_json",
    "backbone_option",
    "count_option",
    "data_option",
    "devices_option",
    "echo_lines",
    "echo_run",
    "json_option",
    "json_text",
    "port_option",
    "quiet_option",
    "reading_option",
    "recipe_option",
    "set_option",
    "table",
]

_Verb = TypeVar("_Verb", bound=Callable[..., Any])

# A column of text keeps so many characters, however narrow the terminal.
_NARROWEST = 8
_FIGURE = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?( ?%)?|–")

data_option = click.option(
    "--data",
    metavar="DATA",
    help="Folder of class folders, or of train/, val/, test/; a manifest, archive or TFRecords, also at a"
    " URL; or tfds:NAME.",
)
backbone_option = click.option(
    "--backbone",
    metavar="NAME",
    help="Name of a card (see `transferkit backbones`); or hub:, saved_model:, keras_file:, card: and a path."
    "  [default: the recipe's]",
)
recipe_option = click.option(
    "--recipe", metavar="NAME_OR_FILE", help="A shipped recipe's name or a TOML file."
)
set_option = click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Override a recipe's value, e.g. epochs=5."
)
reading_option = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="How DATA is read, e.g. data.columns={path='id'} or data.max_unreadable=0.2.",
)
json_option = click.option("--json", "as_json_", is_flag=True, help="Print the summary as JSON on stdout.")
allow_code_option = click.option(
    "--allow-code",
    is_flag=True,
    help="Allow code outside the current project that a recipe or card names, and Lambda layers in models.",
)
devices_option = click.option(
    "--devices",
    metavar="WHICH",
    help="auto, cpu, gpu, gpu:0,2 or mirrored.  [default: the run's own, or what there is]",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")


def count_option(flag: str, name: str, default: int, what: str) -> Callable[[_Verb], _Verb]:
    """An option that takes how many of something, at least one.

    Args:
        flag: as it is typed, such as ``-n``.
        name: of the verb's argument.
        default: the count without it.
        what: the help.
    """
    return click.option(
        flag, name, default=default, show_default=True, type=click.IntRange(1), metavar="N", help=what
    )


def port_option(default: int, what: str, show_default: bool | str = True) -> Callable[[_Verb], _Verb]:
    """An option that takes a port of this machine; 0 is any free one.

    Args:
        default: the port without it.
        what: the help.
        show_default: whether the help names the default, or what it says in its place.
    """
    return click.option(
        "--port",
        default=default,
        show_default=show_default,
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help=what,
    )


def as_json(value: Any) -> None:
    """Prints JSON, numbers as they are, on stdout."""
    click.echo(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON in which what a terminal would obey is escaped; reading it gives the same value.

    Where standard output's encoding lacks a character, JSON's own escapes stand in: others are no JSON.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8", "surrogateescape")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(value, indent=indent, default=str)
    if printable(text) == text:
        return text
    return "".join(one if printable(one) == one else f"\\u{ord(one):04x}" for one in text)


def echo_lines(text: str, indent: int = 2, whole: tuple[str, ...] = ()) -> None:
    """Prints lines; in a terminal a long one goes on below itself, between words.

    Args:
        text: the lines.
        indent: columns of what goes on.
        whole: beginnings of lines that are to be copied: they stay in one piece.
    """
    terminal = sys.stdout is not None and sys.stdout.isatty()
    room = shutil.get_terminal_size().columns if terminal else None
    for line in text.splitlines():
        if room is None or len(line) <= room or line.startswith(whole):
            click.echo(line)
            continue
        parts = textwrap.wrap(
            line, room, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
        click.echo("\n".join(parts))


def echo_run(run: Run) -> None:
    """Prints what a run says of itself in its last lines; those to be copied stay in one piece."""
    text = "\n".join(one_line(line) for line in run.describe().split("\n"))
    echo_lines(text, 8, ("predict ", "run ", "export ", "report "))


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """A plain table: text to the left, numbers to the right.

    In a terminal it fits the width: the widest column of text gives way, its cells end in ``…``.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    right = [bool(rows) and all(_is_figure(row[i]) for row in rows) for i in range(len(header))]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(header)]
    widths = _fitting(widths, [not one for one in right])
    lines = []
    for row in [list(header), *cells]:
        line = "  ".join(
            _cut(cell, width).rjust(width) if to_right else _cut(cell, width).ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        lines.append(line.rstrip())
    return "\n".join(lines)


def _is_figure(cell: object) -> bool:
    return isinstance(cell, int | float | None) or bool(_FIGURE.fullmatch(str(cell)))


def _fitting(widths: Sequence[int], text: Sequence[bool]) -> list[int]:
    """Widths of columns that a terminal has room for; elsewhere as they are."""
    found = list(widths)
    if sys.stdout is None or not sys.stdout.isatty():
        return found
    room = shutil.get_terminal_size().columns
    while sum(found) + 2 * (len(found) - 1) > room:
        wide = [i for i, width in enumerate(found) if text[i] and width > _NARROWEST]
        if not wide:
            break
        # The first column names what a row is of: it is what one types again.
        named = wide[0] == 0 and len(wide) > 1 and found[0] <= room // 2
        wide = wide[1:] if named else wide
        found[max(wide, key=lambda i: found[i])] -= 1
    return found


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else one_line(str(cell))
