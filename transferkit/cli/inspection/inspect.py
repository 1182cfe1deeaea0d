"""``transferkit inspect``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from transferkit.cli._options import as_json, echo_lines, json_option
from transferkit.errors import one_line
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.export.formats._base import Tensor
    from transferkit.export.inspect import Inspected

__all__ = ["command"]


@click.command(name="inspect")
@click.argument("export", metavar="RUN_OR_EXPORT")
@json_option
def command(export: str, as_json_: bool) -> None:
    """Show what an export takes and gives: signatures, labels, preprocessing, size, checks, how to use it.

    RUN_OR_EXPORT is a run, a folder of versions, a version, or one file of it (.keras, .tflite, .onnx). The
    exit code is 1 where a file of it is not as it was written.

    \b
    Examples:
      transferkit inspect runs/flowers
      transferkit inspect runs/flowers/export/1/model_int8.tflite
      transferkit inspect /models/flowers --json
    """
    from transferkit.export.no_keras import without_keras
    from transferkit.tensorflow_startup import start_tensorflow

    with without_keras():  # nothing else runs in this process
        start_tensorflow()
    from transferkit.export.inspect import inspect_export
    from transferkit.runs.folder.verify import changed_files
    from transferkit.runs.remote.local_copy import local_copy

    here = local_copy(export)
    found = inspect_export(here)
    if as_json_:
        as_json([one.to_dict() for one in found])
    else:
        for number, one in enumerate(found):
            if number:
                click.echo()
            echo_lines(_facts(one), 16)
            click.echo(_usage(one))
    changed = changed_files(here) or [line for one in found for line in one.changed or ()]
    for line in changed:
        click.echo(one_line(f"transferkit: {line}"), err=True)
    if changed:
        sys.exit(1)


def _facts(one: Inspected) -> str:
    from transferkit.export.outputs import order_of

    about = one.about
    lines = [f"{one.title}  {one.path}  {one.bytes / 1e6:.1f} MB"]
    facts = {
        "backbone": about.backbone,
        "preprocessing": about.preprocessing,
        "labels": ", ".join(one.labels),
        "temperature": f"{about.temperature:.4g}, inside" if about.temperature != 1 else "",
        "abstention": _abstention(one),
        "thresholds": ", ".join(f"{value:.3g}" for value in about.thresholds),
        "parity": _parity(one.parity),
        "files": _files(one.changed),
        "written by": f"transferkit {about.transferkit}",
    }
    lines += [f"  {name:<14}{value}" for name, value in facts.items() if value]
    for name, (inputs, outputs) in sorted(one.signatures.items()):
        lines.append(f"  signature     {name}")
        lines += [f"    in   {_tensor(tensor)}" for tensor in inputs]
        lines += [f"    out  {_tensor(tensor)}  {order_of(tensor.name)}".rstrip() for tensor in outputs]
    return "\n".join(lines)


def _usage(one: Inspected) -> str:
    """The program, to be copied."""
    return "\n".join(["  use", *(f"    {line}".rstrip() for line in one.usage.rstrip().splitlines())])


def _abstention(one: Inspected) -> str:
    about = one.about
    if about.threshold is None:
        return ""
    inside = "; `confident` says so" if one.format == "saved_model" else ""
    return f"below {about.threshold:.4g}, for a precision of {about.precision:.3g}{inside}"


def _files(changed: tuple[str, ...] | None) -> str:
    if changed is None:
        return "not compared with what was exported: there is no manifest beside it"
    return f"NOT as exported: {'; '.join(changed)}" if changed else "as exported"


def _parity(row: NamedValues | None) -> str:
    if row is None:
        return "not checked"
    allowed = row["tolerance"]["difference"]
    bound = f" (allowed {allowed:.0e})" if allowed is not None else ""
    return (
        f"{'passed' if row['passed'] else 'refused'}: {row['images']} images in a fresh process, "
        f"{row['agreement']:.1%} the same label, largest difference {row['largest_difference']:.1e}{bound}"
    )


def _tensor(one: Tensor) -> str:
    shape = "any" if one.shape is None else f"[{', '.join('?' if n is None else str(n) for n in one.shape)}]"
    return f"{one.name:<14}{one.dtype:<9}{shape}"
