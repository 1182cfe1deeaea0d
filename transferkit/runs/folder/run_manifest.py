"""A run's manifest: what it was made from and the files it consists of, so that what changed can be said.

Each version of the export has a manifest of its own, so that it can go alone; the run's names the first's.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from transferkit._version import __version__
from transferkit.data.splits.ledger import Ledger
from transferkit.data.splits.previous_split import earlier_file, read_previous_split
from transferkit.devices import choose_devices
from transferkit.errors import UserError, fault
from transferkit.export.versions import versions
from transferkit.files.checksum_manifest import NAME, Manifest, read_manifest, said_of, write_manifest
from transferkit.recipe import Recipe
from transferkit.runs.folder.located import Paths
from transferkit.type_names import NamedValues

__all__ = [
    "MadeFrom",
    "check_answers",
    "differences",
    "facts_of_run",
    "file_changes",
    "read_facts",
    "unknown_files",
    "write_run_manifest",
]

_FACTS = ("recipe_sha256", "weights_sha256", "data_sha256", "split_sha256", "classes", "images", "versions")
# What a run's network, and what is said of its answers, is made again from.
_ANSWERS = ("weights.npz", "metrics.json", "recipe.toml", "head.json", "novelty.npz")
_PACKAGES = ("keras", "numpy", "openvino", "pillow", "scikit-learn", "tensorflow", "tensorflow-hub")


class MadeFrom(TypedDict):
    """What determines a run; hashes are SHA-256, in hex.

    Attributes:
        recipe_sha256: of the resolved recipe.
        weights_sha256: of the backbone's weights.
        data_sha256: of images and labels, whatever their names and splits.
        split_sha256: of the split ledger.
        classes: in label order.
        images: how many.
        seed, split_seed: of the recipe.
        versions: package to version.
        devices: of this machine.
        computed_on: those that computed.
        ledger_sha256: of the earlier ledger, where the recipe names one; None where that is gone.
        paths: those of the recipe, as they lead from the run's folder.
    """

    recipe_sha256: str
    weights_sha256: str
    data_sha256: str
    split_sha256: str
    classes: list[str]
    images: int
    seed: int
    split_seed: int
    versions: dict[str, str | None]
    devices: list[str]
    computed_on: NamedValues
    ledger_sha256: NotRequired[str | None]
    paths: NotRequired[Paths]


def facts_of_run(recipe: Recipe, ledger: Ledger, classes: Sequence[str], weights_sha256: str) -> MadeFrom:
    """What determines a run.

    Args:
        recipe: the resolved recipe.
        ledger: which image is in which split.
        classes: in label order.
        weights_sha256: of the backbone's weights.

    Returns:
        Ready for JSON, without the paths.
    """
    made: MadeFrom = {
        "recipe_sha256": recipe.sha256(),
        "weights_sha256": weights_sha256,
        "data_sha256": _content(ledger),
        "split_sha256": ledger.sha256(),
        "classes": list(classes),
        "images": len(ledger.rows),
        "seed": recipe.seed,
        "split_seed": recipe.data.split_seed,
        "versions": {"transferkit": __version__, "python": platform.python_version(), **_versions()},
        "devices": _devices(),
        "computed_on": choose_devices(recipe.devices).to_dict(),
    }
    if recipe.data.ledger is not None:
        there = earlier_file(recipe.data.ledger).is_file()
        made["ledger_sha256"] = read_previous_split(recipe.data.ledger).sha256() if there else None
    return made


def write_run_manifest(folder: Path, facts: MadeFrom) -> None:
    """Writes the manifest of a run whose files are all there.

    Args:
        folder: the run's.
        facts: of :func:`facts_of_run`.
    """
    write_manifest(folder, facts, _in_export)


def read_facts(folder: Path) -> MadeFrom:
    """What a run was made from.

    Raises:
        UserError: the manifest is missing or damaged.
    """
    facts = _manifest(folder).facts
    missing = [key for key in _FACTS if key not in facts]
    if missing:
        raise UserError(
            fault(str(folder / NAME), hint=f"it is damaged: it does not say {', '.join(missing)}")
        )
    return cast(MadeFrom, facts)


def file_changes(folder: Path) -> list[str]:
    """One line for each file of a run, or of an export in it, that is not as it was written.

    Raises:
        UserError: the run's manifest is missing or damaged.
    """
    manifest = _manifest(folder)
    lines, weights = manifest.changes(), manifest.sha256_of("weights.npz")
    for version in versions(folder / "export"):
        place = version.relative_to(folder).as_posix()
        try:
            own = read_manifest(version)
            lines += [f"{place}/{line}" for line in own.changes()] if own is not None else []
            if own is not None and own.facts.get("run_weights_sha256") != weights:
                lines.append(f"{place}: it was made from other weights than this run's")
        except UserError as error:
            lines += error.faults
    return list(dict.fromkeys(lines))


def unknown_files(folder: Path) -> list[str]:
    """Files of a run's folder that no manifest names: somebody added them."""
    names = _manifest(folder).unknown(lambda name: name.startswith("export/"))
    for version in versions(folder / "export"):
        place, own = version.relative_to(folder).as_posix(), read_manifest(version)
        names += [f"{place}/{name}" for name in own.unknown()] if own is not None else [f"{place}/"]
    return names


def check_answers(folder: Path, *more: str) -> None:
    """Refuses files that are not those that the run wrote; a run without a manifest is not compared.

    Weights alone are no answer: with the classes in another order, another resizing or another head they
    give another one.

    Args:
        folder: of the run.
        *more: files to compare beside those that its network is made again from.

    Raises:
        UserError: they have changed.
    """
    manifest = read_manifest(folder)
    wanted = {*_ANSWERS, *more}
    changes = manifest.changes(lambda name: name in wanted) if manifest is not None else []
    if changes:
        raise UserError(said_of(folder, changes, "bring back the run's own files"))


def _manifest(folder: Path) -> Manifest:
    found = read_manifest(folder)
    if found is None:
        hint = "it is missing, so nothing of this run can be verified"
        raise UserError(fault(str(folder / NAME), hint=hint))
    return found


def _in_export(name: str) -> bool:
    """Each version has a manifest of its own, which alone the run's names."""
    return name.startswith("export/") and not name.endswith(f"/{NAME}")


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each fact that is not what it was."""
    lines = []
    for key in then:
        before, after = then[key], now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += [f"{key}.{line}" for line in differences(before, after)]
        elif before != after and key == "recipe_sha256":
            lines.append(
                f"recipe: other values than the run's (SHA-256 {str(before)[:12]}…, now {str(after)[:12]}…): "
                "recipe.toml was changed, or this version of transferkit has keys that the run's did not have"
            )
        elif before != after:
            lines.append(f"{key}: was {json.dumps(before)}, is {json.dumps(after)}")
    return lines


def _content(ledger: Ledger) -> str:
    """A fingerprint of images and labels, whatever their names and splits."""
    lines = sorted(f"{row.sha256} {row.label}" for row in ledger.rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> list[str]:
    import tensorflow as tf

    described = [
        tf.config.experimental.get_device_details(device).get("device_name", device.name)
        for device in tf.config.list_physical_devices()
        if device.device_type != "CPU"
    ]
    return [platform.machine(), *described]
