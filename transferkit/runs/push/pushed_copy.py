"""What is pushed of an export: the files of its manifest as they were written, and a card for others."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.export.formats._zipped import LABELS
from transferkit.files.checksum_manifest import NAME, read_manifest, said_of, write_manifest
from transferkit.runs.push.hub_target import HubTarget
from transferkit.type_names import NamedValues

__all__ = ["check_version", "copy_version", "files_of", "stage"]

_CARD = "README.md"
_USE = re.compile(r"^## How to use it$.*?(?=^---$|\Z)", re.MULTILINE | re.DOTALL)


def check_version(version: Path) -> None:
    """Refuses a version that is not as it was exported.

    Raises:
        UserError: a file of it was changed, or it has no manifest that could tell.
    """
    manifest = read_manifest(version)
    if manifest is None:
        hint = "export it with `transferkit export RUN`"
        raise UserError(fault("push", str(version), f"a version with its {NAME}", hint))
    if changes := manifest.changes():
        raise UserError(said_of(version, changes, "make the export again with `transferkit export RUN`"))


def stage(version: Path, target: HubTarget, title: str, folder: Path) -> None:
    """Lays out what is pushed in an empty folder: with a manifest of its own, so that it can be verified.

    Args:
        version: checked by :func:`check_version`; files that were added to it by hand are left behind.
        target: named by the card.
        title: of the model, where it has no card yet.
        folder: where to.
    """
    facts = copy_version(version, folder)
    labels = folder / "assets" / LABELS
    if labels.is_file():
        shutil.copyfile(labels, folder / LABELS)  # where people look for it
    card = folder / _CARD
    before = card.read_text("utf-8") if card.is_file() else _plain_card(title)
    card.write_text(_with_loader(before, _loader(version, target)), encoding="utf-8")
    write_manifest(folder, facts)


def copy_version(version: Path, folder: Path) -> NamedValues:
    """Copies the files that a version's manifest names, and gives the manifest's facts."""
    manifest = read_manifest(version)
    assert manifest is not None  # noqa: S101 -- for the type checker: it was checked
    for name in manifest.files:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(version / name, place)
    return manifest.facts


def files_of(folder: Path) -> list[tuple[str, int]]:
    """Each file's path with slashes, and its bytes."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in found]


def _with_loader(card: str, loader: str) -> str:
    """The card with how to use it from the hub, in place of how to use it where it was made."""
    if _USE.search(card):
        return _USE.sub(lambda _: loader, card, count=1)
    return f"{card.rstrip()}\n\n{loader}"


def _loader(version: Path, target: HubTarget) -> str:
    lines = [
        "## How to use it",
        "",
        "```python",
        f"import {target.package}",
        "import tensorflow as tf",
        "",
        f"folder = {target.loader}",
        "model = tf.saved_model.load(folder)",
        'answer = model.signatures["serving_default"](bytes=tf.io.read_file("photo.jpg")[None])',
        "# The likeliest first; classes and probabilities are the same in class order.",
        'for label, score in zip(answer["labels"][0].numpy(), answer["scores"][0].numpy()):',
        '    print(label.decode(), f"{score:.3f}")',
        "```",
        "",
    ]
    # By name: asking the formats would import TensorFlow.
    models = sorted(one.name for one in version.glob("model*.*") if one.is_file())
    if models:
        lines += [f"The same model in other formats: {', '.join(f'`{one}`' for one in models)}.", ""]
    return "\n".join(lines) + "\n"


def _plain_card(title: str) -> str:
    return f"---\nlibrary_name: tensorflow\npipeline_tag: image-classification\n---\n\n# {title}\n"
