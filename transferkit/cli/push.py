"""``transferkit push``."""

from __future__ import annotations

import click

from transferkit.cli._options import as_json, json_option, table

__all__ = ["command"]


@click.command(name="push")
@click.argument("run", metavar="RUN_OR_EXPORT")
@click.argument("to", metavar="hf://ORG/NAME|kaggle://OWNER/MODEL")
@click.option("--dry-run", is_flag=True, help="List the files and their sizes; send nothing.")
@click.option("--private", is_flag=True, help="Make a new repository on Hugging Face private.")
@click.option(
    "--message", "-m", metavar="TEXT", help="Message in the hub's history.  [default: run and version]"
)
@click.option(
    "--license", "license_", metavar="NAME", help="Licence of the model, for Kaggle, such as 'Apache 2.0'."
)
@json_option
def command(
    run: str, to: str, dry_run: bool, private: bool, message: str | None, license_: str | None, as_json_: bool
) -> None:
    """Put the newest export of a run on Hugging Face's hub or among Kaggle's models.

    The files of the export go there with labels, manifest and a model card that says how they are loaded;
    nothing of the photos does. An export that changed since it was written is refused. Log in with the hub's
    own means: `hf auth login` or HF_TOKEN, kagglehub.login() or KAGGLE_USERNAME and KAGGLE_KEY.

    \b
    Examples:
      transferkit push runs/flowers hf://me/flowers --dry-run
      transferkit push runs/flowers hf://me/flowers --private
      transferkit push runs/flowers kaggle://me/flowers/tensorFlow2/small
    """
    from transferkit.runs.push.push import push

    done = push(run, to, private=private, message=message, license=license_, dry_run=dry_run)
    total = sum(size for _, size in done.files)
    if as_json_:
        files = [{"path": path, "bytes": size} for path, size in done.files]
        as_json({"url": done.url, "dry_run": dry_run, "files": files, "bytes": total})
        return
    click.echo(table([[path, size] for path, size in done.files], ("file", "bytes")))
    sent = "nothing was sent; it would go to" if dry_run else "pushed to"
    click.echo(f"{len(done.files)} files, {total / 1e6:.1f} MB; {sent} {done.url}")
