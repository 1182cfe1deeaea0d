"""``transferkit verify``."""

from __future__ import annotations

import sys

import click

from transferkit.cli._options import allow_code_option, as_json, data_option, json_option
from transferkit.errors import one_line

__all__ = ["command"]


@click.command(name="verify")
@click.argument("run", metavar="RUN_OR_EXPORT")
@data_option
@allow_code_option
@json_option
def command(run: str, data: str | None, as_json_: bool, allow_code: bool) -> None:
    """Say what has changed since a run or an export was made: files, images, labels, weights, packages.

    Compares the manifest.json of the run, and of each version of its export, with what is there now. Of an
    export without its run, the files are compared. Files that you added are named and are no change. The exit
    code is 1 where anything differs.

    \b
    Examples:
      transferkit verify runs/flowers
      transferkit verify runs/flowers --data moved/photos
      transferkit verify /models/flowers/3
    """
    from transferkit.runs.folder.verify import verify_export, verify_run, version_of
    from transferkit.runs.remote.local_copy import local_copy

    version = version_of(local_copy(run))
    if version is not None:
        changes, unknown = verify_export(version)
        same = "unchanged: every file is as it was exported"
    else:
        from transferkit.runs.finished.run import load_run
        from transferkit.runs.folder.run_manifest import unknown_files

        opened = load_run(run)
        changes, unknown = verify_run(opened, data, allow_code), unknown_files(opened.path)
        same = "unchanged: the recipe would give this run again"
    if unknown:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        click.echo(one_line(f"transferkit: not part of what was written: {shown}"), err=True)
    if as_json_:
        as_json(changes)
    else:
        click.echo("\n".join(map(one_line, changes)) if changes else same)
    if changes:
        sys.exit(1)
