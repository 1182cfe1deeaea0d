"""``transferkit cache``."""

from __future__ import annotations

import re
import time

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._options import as_json, table

__all__ = ["command"]

_PREFIXES = " kmgt"


class _Bytes(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A number of bytes, with or without a unit: ``500MB``, ``2.5G``, ``1073741824``, ``1GiB``."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", value, re.IGNORECASE)
        if not found:
            self.fail(f"received {value!r}, expected a number of bytes such as 500MB or 2GiB", param, ctx)
        number, prefix, binary = found.groups()
        base = 1024 if binary else 1000
        return int(float(number) * base ** _PREFIXES.index(prefix.lower() or " "))


_folder = click.option(
    "--cache-dir",
    metavar="DIR",
    help="Folder of the cache.  [default: $TRANSFERKIT_CACHE, else the user's cache folder]",
)
_json = click.option("--json", "as_json_", is_flag=True, help="Print JSON.")


@click.group(name="cache", cls=Verbs)
def command() -> None:
    """Show, check and shrink the cache of activations, compiled models and unpacked sources.

    What is in it can always be made again: removing it costs time, never a result.

    \b
    Examples:
      transferkit cache info
      transferkit cache verify --repair
      transferkit cache prune --max-bytes 5GB
      transferkit cache clear --yes
    """


@command.command(name="info")
@_folder
@_json
def info(cache_dir: str | None, as_json_: bool) -> None:
    """Show what the cache holds, last used first.

    \b
    Examples:
      transferkit cache info
      transferkit cache info --json
    """
    from transferkit.activations.cache import Cache

    cache = Cache(cache_dir)
    entries = cache.entries()
    if as_json_:
        facts = {"folder": str(cache.folder), "bytes": cache.bytes(), "max_bytes": cache.max_bytes}
        as_json({**facts, "entries": [vars(entry) for entry in entries]})
        return
    click.echo(f"{cache.folder}: {_text(cache.bytes())} of at most {_text(cache.max_bytes)}")
    rows = []
    for entry in entries:
        about = entry.about
        what = about.get("label") or f"cut {str(about.get('cut', '?'))[:12]}"
        size = about.get("size")
        made_for = f"{size[0]}x{size[1]} {about.get('resize', '')}".strip() if size else ""
        rows.append(
            (entry.kind, what, made_for, about.get("dtype", ""), entry.rows or None, _text(entry.bytes),
             time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)))
        )  # fmt: skip
    if rows:
        click.echo(table(rows, ("kind", "of", "images", "dtype", "rows", "size", "last used")))


@command.command(name="prune")
@_folder
@click.option(
    "--max-bytes", type=_Bytes(), help="Size to prune to.  [default: a tenth of the disk, at most 50 GiB]"
)
def prune(cache_dir: str | None, max_bytes: int | None) -> None:
    """Remove what was unused for longest until the cache is small enough.

    Unpacked images that a process is reading stay.

    \b
    Examples:
      transferkit cache prune
      transferkit cache prune --max-bytes 5GB
    """
    from transferkit.activations.cache import Cache

    cache = Cache(cache_dir, max_bytes)
    freed = cache.prune()
    click.echo(f"{cache.folder}: {_text(freed)} freed, {_text(cache.bytes())} left")


@command.command(name="clear")
@_folder
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def clear(cache_dir: str | None, yes: bool) -> None:
    """Remove everything from the cache, except unpacked images that a process is reading.

    \b
    Examples:
      transferkit cache clear
      transferkit cache clear --yes
    """
    from transferkit.activations.cache import Cache

    cache = Cache(cache_dir)
    if not yes:
        click.confirm(f"Remove {_text(cache.bytes())} from {cache.folder}?", abort=True)
    freed, left = cache.clear(), cache.bytes()
    used = f", {_text(left)} left, which a process at work uses" if left else ""
    click.echo(f"{cache.folder}: {_text(freed)} freed{used}")


@command.command(name="verify")
@_folder
@click.option("--repair", is_flag=True, help="Remove what is damaged; it is made again when it is needed.")
@_json
@click.pass_context
def verify(ctx: click.Context, cache_dir: str | None, repair: bool, as_json_: bool) -> None:
    """Read the whole cache and compare it with what was written.

    Runs check what they use by themselves. The exit code is 1 where something is damaged and not repaired.

    \b
    Examples:
      transferkit cache verify
      transferkit cache verify --repair
    """
    from transferkit.activations.cache import Cache

    cache = Cache(cache_dir)
    found = cache.verify(repair)
    left = [one for one in found if one.damaged and not one.repaired]
    if as_json_:
        as_json({"folder": str(cache.folder), "entries": [vars(one) for one in found]})
    else:
        wrong = [one for one in found if one.damaged]
        parts, damaged = sum(one.parts for one in found), sum(one.damaged for one in wrong)
        click.echo(f"{cache.folder}: {damaged} of {parts} rows and files are damaged")
        ends = {True: "removed", False: "used by a process" if repair else "repair it with --repair"}
        rows = [(one.kind, one.label, one.key, one.damaged, ends[one.repaired]) for one in wrong]
        if rows:
            click.echo(table(rows, ("kind", "of", "name", "damaged", "")))
    ctx.exit(1 if left else 0)


def _text(count: int) -> str:
    """Bytes for people, in powers of ten."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
