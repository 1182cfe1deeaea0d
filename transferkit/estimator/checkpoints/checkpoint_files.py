"""Checkpoints: ordinary TensorFlow checkpoints under the variables' own names, whole or not there.

The ``checkpoint`` state file alone says which checkpoints are there;
:mod:`transferkit.estimator.checkpoints.checkpoint_writer` replaces it last.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints.checkpoint_errors import (
    CheckpointError,
    DamagedCheckpointError,
    MissingCheckpointError,
    MissingVariablesError,
)
from transferkit.estimator.variables import slices
from transferkit.files.plain_path import plain_path
from transferkit.private.tensorflow_names import TrackableObjectGraph

__all__ = [
    "exists",
    "known",
    "latest",
    "newest_whole",
    "object_keys",
    "read",
    "restore",
    "signature",
    "step_of",
    "values_of",
    "wait_for_newer",
    "write_state",
]

_log = logging.getLogger("transferkit")
NAME = "model.ckpt"
# Where a checkpoint by objects says which names their variables have.
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
TEMPORARY = ".writing-"


def step_of(prefix: str) -> int:
    """The global step in a checkpoint's name, -1 where there is none."""
    found = re.search(r"-(\d+)$", prefix)
    return int(found.group(1)) if found else -1


def latest(model_dir: str) -> str | None:
    """The prefix of the newest checkpoint that the state file names and whose files are there."""
    state = tf.train.get_checkpoint_state(model_dir)
    if state is None:
        return None
    named = [state.model_checkpoint_path, *reversed(list(state.all_model_checkpoint_paths))]
    for prefix in dict.fromkeys(named):
        if exists(prefix):
            result: str | None = prefix
            return result
    return None


def exists(prefix: str) -> bool:
    """Whether there is a checkpoint of this prefix."""
    folder, name = os.path.split(prefix)
    index = os.path.exists(f"{prefix}.index")
    return index and any(file.startswith(f"{name}.data-") for file in os.listdir(folder or "."))


def known(model_dir: str) -> list[str]:
    """Prefixes of all checkpoints the state file names, oldest first."""
    state = tf.train.get_checkpoint_state(model_dir)
    return list(state.all_model_checkpoint_paths) if state else []


def signature(model_dir: str) -> tuple[int, int, int] | None:
    """Tells one state file from another: each is a new file."""
    try:
        found = os.stat(os.path.join(model_dir, "checkpoint"))
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def write_state(model_dir: str, prefixes: list[str]) -> None:
    """Writes the file ``checkpoint``, which names the newest checkpoint of a folder and those kept."""
    names = [os.path.relpath(p, model_dir) for p in prefixes]
    lines = [f'model_checkpoint_path: "{names[-1]}"', *(f'all_model_checkpoint_paths: "{n}"' for n in names)]
    temporary = os.path.join(model_dir, f"{TEMPORARY}{os.getpid()}-checkpoint")
    Path(temporary).write_text("\n".join(lines) + "\n")
    os.replace(temporary, os.path.join(model_dir, "checkpoint"))


def read(prefix: str) -> Any:
    """A checkpoint's reader.

    Raises:
        MissingCheckpointError: there is none.
        DamagedCheckpointError: where it is short or damaged.
    """
    try:
        return tf.train.load_checkpoint(plain_path(prefix))
    except Exception as error:
        said = fault(prefix, str(error).splitlines()[0], "a whole TensorFlow checkpoint")
        if not _is_there(prefix):
            raise MissingCheckpointError(said) from error
        raise DamagedCheckpointError(said) from error


def _is_there(given: str) -> bool:
    """Whether a prefix, or a folder's newest one, leads to files."""
    prefix = latest(given) if os.path.isdir(given) else given
    return prefix is not None and os.path.exists(f"{prefix}.index")


def object_keys(prefix: str) -> dict[str, str]:
    """Variable's name -> key in a checkpoint by objects (``tf.train.Checkpoint``); empty for another."""
    reader = read(prefix)
    if not reader.has_tensor(_OBJECTS):
        return {}
    graph = TrackableObjectGraph.FromString(reader.get_tensor(_OBJECTS))
    return {one.full_name: one.checkpoint_key for node in graph.nodes for one in node.attributes}


def values_of(prefix: str, names: list[str] | None = None) -> dict[str, Any]:
    """Name -> value in checkpoint ``prefix``; of ``names``, or of all.

    Raises:
        DamagedCheckpointError: where the files are cut short or changed.
    """
    reader = read(prefix)
    try:
        wanted = reader.get_variable_to_shape_map() if names is None else names
        return {name: reader.get_tensor(name) for name in wanted}
    except Exception as error:
        raise DamagedCheckpointError(
            fault(prefix, str(error).splitlines()[0], "a whole checkpoint", "it is damaged or cut short")
        ) from error


def newest_whole(model_dir: str, checked: set[str]) -> str | None:
    """The newest checkpoint that can be read to its end; says which are passed over.

    Args:
        model_dir: the folder.
        checked: prefixes that were read already; those read now are added.

    Raises:
        DamagedCheckpointError: where there are checkpoints and none is whole.
    """
    first = latest(model_dir)
    if first is None:
        return None
    candidates = list(dict.fromkeys([first, *reversed(known(model_dir))]))
    for prefix in candidates:
        if prefix in checked:
            return prefix
        try:
            values_of(prefix)
        except DamagedCheckpointError as error:
            if prefix == candidates[-1]:
                raise
            _log.warning("%s; going back to the checkpoint before it", error)
            continue
        checked.add(prefix)
        return prefix
    return None


def restore(prefix: str, variables: Mapping[str, Any]) -> None:
    """Assigns the values of checkpoint ``prefix`` to ``variables`` (name -> variable), all or none.

    Raises:
        MissingVariablesError: where variables are missing in it.
        CheckpointError: where they have other shapes, or the file is damaged.
    """
    reader = read(prefix)
    shapes = reader.get_variable_to_shape_map()
    faults = []
    names = {name: slices.full_name(name, variable) for name, variable in variables.items()}
    for name, variable in variables.items():
        found, expected = shapes.get(names[name]), slices.expected_shape(variable)
        if found is None:
            faults.append(f"{name} (not in the checkpoint)")
        elif list(found) != expected:
            faults.append(f"{name} ({found} in the checkpoint, {expected} in the model)")
    if faults:
        extra = sorted(
            set(shapes) - set(names.values()) - {n for n in shapes if n.startswith("transferkit/")}
        )
        beside = f"; the checkpoint has besides: {_few(extra)}" if extra and len(extra) <= len(shapes) else ""
        line = fault(
            prefix,
            None,
            None,
            f"it belongs to another model; {len(faults)} of {len(variables)} variables differ: "
            f"{_few(faults)}{beside}; choose an empty model_dir or the model that wrote it",
        )
        if set(names.values()) <= set(shapes):
            raise CheckpointError(line)
        raise MissingVariablesError(line)
    values = values_of(prefix, list(dict.fromkeys(names.values())))
    for name, variable in variables.items():
        variable.assign(slices.part_of(variable, values[names[name]]))


def _few(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def wait_for_newer(model_dir: str, than: str | None, timeout: float) -> str | None:
    """The latest checkpoint once it is another than ``than``, or None after ``timeout`` seconds.

    Args:
        model_dir: where the checkpoints are written.
        than: prefix of the one that is known, or None.
        timeout: seconds; the folder is looked at every 0.2 s.
    """
    end = time.monotonic() + timeout
    while True:
        found = latest(model_dir)
        if found is not None and found != than:
            return found
        if time.monotonic() >= end:
            return None
        time.sleep(0.2)
