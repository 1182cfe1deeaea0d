"""Options that several verbs share, and how results are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from transferkit.errors import one_line, printable

__all__ = [
    "allow_code_option",
    "as_json",
    "backbone_option",
    "data_option",
    "json_option",
    "json_text",
    "quiet_option",
    "recipe_option",
    "set_option",
    "table",
]

data_option = click.option(
    "--data",
    metavar="DATA",
    help="Folder of class folders, or of train/, val/, test/; a manifest, archive, TFRecords or tfds:NAME.",
)
backbone_option = click.option(
    "--backbone",
    metavar="NAME",
    help="A card's name (see `transferkit backbones`), or hub:, saved_model:, keras_file:, card: and a PATH."
    "  [default: the recipe's]",
)
recipe_option = click.option(
    "--recipe", metavar="NAME_OR_FILE", help="A shipped recipe's name or a TOML file."
)
set_option = click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Override a recipe's value, e.g. epochs=5."
)
json_option = click.option("--json", "as_json_", is_flag=True, help="Print the summary as JSON on stdout.")
allow_code_option = click.option(
    "--allow-code",
    is_flag=True,
    help="Let code run that a file outside the current project names, and Lambda layers in model files.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress.")


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


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """A plain table: text to the left, numbers to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(header)]
    right = [
        bool(rows) and all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))
    ]
    lines = []
    for row in [list(header), *cells]:
        line = "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        lines.append(line.rstrip())
    return "\n".join(lines)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else one_line(str(cell))
