"""``transferkit doctor``."""

from __future__ import annotations

import sys

import click

from transferkit.cli._options import as_json, echo_lines, json_option

__all__ = ["command"]


@click.command(name="doctor")
@click.option("--no-probe", is_flag=True, help="Measure nothing: a few seconds less.")
@json_option
def command(no_probe: bool, as_json_: bool) -> None:
    """Say what this machine offers and what a run on it would use.

    TensorFlow's build beside the driver, libraries and cards that are found; engines, cores, memory, disk
    and limits; the folders of cache and weights and whether each can be written; and, in some ten seconds,
    how fast it decodes, runs a frozen backbone and trains. Lines with ! work less well than they could,
    lines with x keep every run from working: then it exits with 1.

    \b
    Examples:
      transferkit doctor
      transferkit doctor --json --no-probe
    """
    from transferkit.inspection.doctor import examine

    found = examine(probe=not no_probe)
    if as_json_:
        as_json(found.to_dict())
    else:
        echo_lines("\n".join(found.lines()), found.value_column)
    if found.faults:
        sys.exit(1)
