"""``transferkit launch``."""

from __future__ import annotations

import sys

import click

from transferkit.errors import Faults, fault

__all__ = ["command"]


@click.command(name="launch", context_settings={"ignore_unknown_options": True})
@click.option("--workers", type=int, required=True, metavar="N", help="How many workers.")
@click.option("--logs", metavar="DIR", help="Folder of the workers' logs.  [default: logs/launch-DATE-TIME]")
@click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    help="Start them on the machines of a Ray cluster: auto, HOST:PORT or ray://HOST:PORT; "
    "local makes one of this machine.",
)
@click.option(
    "--resources",
    metavar="LIST",
    help="With --ray: what each worker is given, e.g. CPU=8,GPU=1.  "
    "[default: an equal part of the machines, with a GPU where there are enough]",
)
@click.option(
    "--strategy",
    metavar="SPREAD|PACK",
    help="With --ray: over many machines, or on few.  [default: SPREAD]",
)
@click.argument("words", metavar="-- COMMAND", nargs=-1, type=click.UNPROCESSED)
def command(
    workers: int,
    logs: str | None,
    address: str | None,
    resources: str | None,
    strategy: str | None,
    words: tuple[str, ...],
) -> None:
    """Retrain with several workers on this machine, which divide its cores, or its GPUs; or on a Ray cluster.

    Each worker runs the COMMAND with a TF_CONFIG that names all of them; worker 0 is the chief, which shows
    the progress and writes the run. When one fails all are ended, and the exit code is that of the first
    failure. On a cluster each machine needs transferkit, the current folder and the data.

    \b
    Examples:
      transferkit launch --workers 4 -- retrain --data photos/ --run runs/flowers
      transferkit launch --workers 4 -- retrain --run runs/flowers --resume
      transferkit launch --workers 4 --ray auto --resources CPU=8 -- \\
          retrain --data s3://bucket/photos --run s3://bucket/runs/flowers
    """
    if address is None:
        from transferkit.runs.launch.job import launch

        given = {"--resources": resources, "--strategy": strategy}
        Faults(
            fault(f"launch: {name}", value, "--ray ADDRESS beside it")
            for name, value in given.items()
            if value is not None
        ).refuse()
        status, line = launch(words, workers, logs)
    else:
        from transferkit.runs.launch.on_ray import launch_on_ray

        status, line = launch_on_ray(words, workers, address, resources, strategy or "SPREAD", logs)
    if line is not None:
        click.echo(f"transferkit: {line}", err=True)
    sys.exit(status)
