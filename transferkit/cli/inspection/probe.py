"""``transferkit probe``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from transferkit.cli._options import (
    allow_code_option,
    as_json,
    data_option,
    json_option,
    quiet_option,
    set_option,
    table,
)
from transferkit.durations import seconds_of
from transferkit.errors import UserError, fault
from transferkit.files.output_place import check_output

if TYPE_CHECKING:
    from transferkit.inspection.probe import Probe

__all__ = ["command"]


@click.command(name="probe")
@data_option
@click.option(
    "--backbones",
    metavar="A,B,…",
    default="all-local",
    show_default=True,
    help="Names with commas between them; all-local: all whose weights are on this machine.",
)
@click.option("--budget", metavar="TIME", help='Time limit, such as "10m".')
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write a page with the plot.")
@set_option
@allow_code_option
@quiet_option
@json_option
def command(
    data: str | None,
    backbones: str,
    budget: str | None,
    out: Path | None,
    settings: tuple[str, ...],
    as_json_: bool,
    allow_code: bool,
    quiet: bool,
) -> None:
    """Rank backbones on your own photos: accuracy, speed, size, and which one to take.

    Each backbone passes the training images once; on its features the head of the recipe `auto` is chosen,
    and judged on held-out folds. Images of validation and test are not looked at. A star marks the backbones
    that no other one beats in accuracy at the same cost or less.

    \b
    Examples:
      transferkit probe --data photos/
      transferkit probe --data photos/ --backbones mobilenet_v2,efficientnet_lite0
      transferkit probe --data photos/ --budget 10m --out probe.html
      transferkit probe --data photos/ --json
    """
    from transferkit.inspection.probe import probe

    if data is None:
        raise UserError(fault("--data", hint="name the photos"))
    check_output("--out", out)
    found = probe(
        data,
        _names(backbones),
        _seconds(budget),
        settings,
        quiet=quiet,
        allow_code=allow_code,
    )
    if as_json_:
        as_json(dataclasses.asdict(found))
        _write(found, out)
        return
    _print(found)
    _write(found, out)
    if out is not None:
        click.echo(f"\npage  {out}")


def _print(found: Probe) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            f"{'*' if row.front else ' '} {row.backbone}",
            f"{row.accuracy:.3f} ({row.low:.3f}-{row.high:.3f})",
            round(row.images_per_s),
            None if row.gflops is None else round(row.gflops, 2),
            round(row.megabytes, 1),
            round(row.seconds, 1),
        )
        for row in found.rows
    ]
    header = ("  backbone", "accuracy (95 %)", "images/s", "GFLOPs", "MB", "seconds")
    click.echo(table(rows, header))
    for name, reason in found.skipped.items():
        click.echo(f"skipped {name}: {reason}")
    click.echo(f"\n{found.sentence}")
    click.echo(f"\n  {found.command}")


def _write(found: Probe, out: Path | None) -> None:
    if out is not None:
        from transferkit.report.probe_page import write_probe_page

        write_probe_page(found, out)


def _names(backbones: str) -> list[str] | None:
    names = [name.strip() for name in backbones.split(",") if name.strip()]
    if not names or ("all-local" in names and len(names) > 1):
        raise UserError(fault("--backbones", backbones, "names with commas between them, or all-local alone"))
    return None if names == ["all-local"] else names


def _seconds(budget: str | None) -> float | None:
    if budget is None:
        return None
    try:
        seconds = float(budget) if budget.replace(".", "", 1).isdigit() else float(seconds_of(budget))
    except ValueError as error:
        raise UserError(fault("--budget", budget, hint=str(error))) from None
    if not seconds > 0:
        raise UserError(fault("--budget", budget, "more than zero seconds"))
    return seconds
