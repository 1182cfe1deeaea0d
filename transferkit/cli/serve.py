"""``transferkit serve``."""

from __future__ import annotations

import click

from transferkit.cli._options import allow_code_option, count_option, port_option
from transferkit.errors import one_line

__all__ = ["command"]


@click.command(name="serve")
@click.argument("model", metavar="RUN_OR_EXPORT")
@port_option(8501, "Port to listen on; 0: any free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--name", metavar="NAME", help="NAME in /v1/models/NAME.  [default: the name of the run's folder]"
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "saved_model", "tensorflow", "openvino"]),
    help="What runs a SavedModel; auto: the fastest engine that gives the same answers.",
)
@click.option(
    "--neighbours/--no-neighbours",
    default=None,
    help="Show a run's nearest training photos on the page.  [default: on this machine alone]",
)
@click.option(
    "--allowed-host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="Host name of this server; requests to other names are refused. May be repeated.",
)
@click.option(
    "--cors",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Web site whose scripts may send requests; may be repeated.",
)
@count_option("--max-bytes", "max_bytes", 32_000_000, "Largest request, in bytes.")
@count_option("--max-pixels", "max_pixels", 50_000_000, "Largest image, in pixels.")
@count_option("--max-images", "max_images", 256, "Most images in a request.")
@count_option("--batch", "batch", 32, "Most images that the network takes at once.")
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Seconds that a request may take.",
)
@allow_code_option
def command(
    model: str,
    port: int,
    host: str,
    name: str | None,
    engine: str,
    neighbours: bool | None,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    max_bytes: int,
    max_pixels: int,
    max_images: int,
    batch: int,
    timeout: float,
    allow_code: bool,
) -> None:
    """Serve a model over HTTP, with a page to try it.

    The page takes a dropped photo or one from the camera and shows labels, probabilities and whether it is
    like nothing the model knows; where a run is served, also the parts of the photo that speak for the answer
    and the nearest training photos. Programs ask as they ask TensorFlow Serving (/v1/models/NAME:predict).
    /healthz says whether it answers, /metrics counts. Ctrl-C ends it once the requests under way are done.

    \b
    Examples:
      transferkit serve runs/flowers
      transferkit serve runs/flowers/export/1/model.tflite --port 0
      transferkit serve runs/flowers --host 0.0.0.0 \\
          --allowed-host flowers.example.org
    """
    from transferkit.serving.request_limits import Limits
    from transferkit.serving.serve import serve

    limits = Limits(bytes=max_bytes, pixels=max_pixels, instances=max_images, seconds=timeout, batch=batch)

    def say(url: str) -> None:
        click.echo(one_line(f"transferkit: {model} is served on {url} (Ctrl-C ends it)"), err=True)

    serve(
        model,
        host=host,
        port=port,
        name=name,
        engine=engine,
        neighbours=neighbours,
        hosts=hosts,
        origins=origins,
        limits=limits,
        allow_code=allow_code,
        say=say,
    )
