"""Writes checkpoints: whole, or not there, and of what stays the same no byte twice.

A checkpoint is written under a temporary name, its files are moved into place one after the other, and the
``checkpoint`` state file is replaced last. So whatever ends the process, the state file names a checkpoint
that is whole.

Frozen weights are most of a transferred model, and do not change. They are written once, as a shard of their
own; later checkpoints take that shard by a hard link. Whether a weight changed is seen by its buffer: it is
held, so that any assignment has to take another one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints.checkpoint_errors import CheckpointError
from transferkit.estimator.checkpoints.checkpoint_files import (
    NAME,
    TEMPORARY,
    exists,
    known,
    signature,
    write_state,
)
from transferkit.type_names import Tensor

__all__ = ["CheckpointWriter"]

# Below this many bytes a shard of its own is not worth its files.
_WORTH = 1_000_000

# The number of the process stands in a temporary name.
_TEMPORARY = re.compile(re.escape(TEMPORARY) + r"(?:frozen-)?(\d+)-")
_INDEX = ".index"
_WHOLE = ".data-00000-of-00001"
# The frozen weights are the first shard of two.
_MERGED = (".data-00000-of-00002", ".data-00001-of-00002")


class CheckpointWriter:
    """Writes the checkpoints of one folder.

    Args:
        folder: where, made where it is missing.
        keep: how many checkpoints stay; None or 0 keeps all.
        keep_hours: one checkpoint in this many hours stays for good.
    """

    def __init__(self, folder: str, keep: int | None, keep_hours: float = 10_000) -> None:
        self._folder, self._keep = folder, keep
        self._hours, self._next_kept = keep_hours, time.time() + keep_hours * 3600
        self._still: dict[str, Any] = {}
        self._shard: str | None = None
        self._worth: dict[frozenset[str], bool] = {}
        # What the state file names, as long as it is the one written here.
        self._state: tuple[Any, list[str]] = (None, [])
        self._cleaned = False
        # Also at the end of the process.
        self._leave = weakref.finalize(self, _remove_temporary, folder, f"frozen-{os.getpid()}-{id(self)}")

    def save(
        self,
        step: int,
        tensors: Mapping[str, Any],
        frozen: frozenset[str] = frozenset(),
        parts: Mapping[str, tuple[str, str]] | None = None,
    ) -> str:
        """Writes ``tensors`` as ``model.ckpt-STEP`` and makes it the latest.

        Args:
            step: the global step.
            tensors: name -> value.
            frozen: names of those that training does not write.
            parts: name -> name of the whole and which part, of those that are parts of a variable.

        Returns:
            The checkpoint's prefix.

        Raises:
            CheckpointError: where the disk is full or cannot be written; the checkpoints before it stay.
        """
        prefix = os.path.join(self._folder, f"{NAME}-{step}")
        temporary = os.path.join(self._folder, f"{TEMPORARY}{os.getpid()}-{NAME}-{step}")
        try:
            os.makedirs(self._folder, exist_ok=True)
            self._clean()
            still = self._unchanged(tensors, frozen)
            if still:
                self._write_merged(temporary, tensors, still, parts or {})
            else:
                _write(temporary, tensors, parts or {})
            with contextlib.suppress(FileNotFoundError):
                # One of the same name, damaged perhaps: without its index it is not there.
                os.unlink(f"{prefix}{_INDEX}")
            # The index comes last: without it a checkpoint does not exist for TensorFlow.
            for end in (*(_MERGED if still else (_WHOLE,)), _INDEX):
                os.replace(temporary + end, prefix + end)
            self._enter(prefix)
        except (OSError, tf.errors.OpError) as error:
            _remove_temporary(self._folder, f"{os.getpid()}-{NAME}-{step}")
            self._forget_shard()
            raise CheckpointError(
                fault(
                    prefix,
                    str(error).splitlines()[0],
                    "a disk that takes the checkpoint",
                    "make room or choose another model_dir; the checkpoint before this one is whole",
                )
            ) from error
        return prefix

    def _enter(self, prefix: str) -> None:
        """Makes ``prefix`` the latest, and lets go of those beyond the number that is kept."""
        files = set(os.listdir(self._folder))
        prefixes = [p for p in self._known() if p != prefix and self._there(p, files)]
        prefixes.append(prefix)
        beyond = prefixes[: -self._keep] if self._keep else []
        # The state file forgets them first: it never names a checkpoint that is gone.
        write_state(self._folder, prefixes[len(beyond) :])
        self._state = signature(self._folder), prefixes[len(beyond) :]
        for old in beyond:
            if not self._stays(old):
                self._remove(old, files)

    def _known(self) -> list[str]:
        """The checkpoints that the state file names; it is read where another has written it."""
        written, prefixes = self._state
        same = written is not None and written == signature(self._folder)
        return prefixes if same else known(self._folder)

    def _there(self, prefix: str, files: set[str]) -> bool:
        folder, name = os.path.split(prefix)
        if folder != self._folder:
            return exists(prefix)
        # One that was removed has lost its index first.
        return name + _INDEX in files and any(file.startswith(f"{name}.data-") for file in files)

    def _remove(self, prefix: str, files: Iterable[str]) -> None:
        """Removes a checkpoint's files (and what stands beside it), the index first."""
        folder, name = os.path.split(prefix)
        if folder != self._folder:
            files = os.listdir(folder) if os.path.isdir(folder) else ()
        own = [file for file in files if file.startswith(f"{name}.")]
        for file in sorted(own, key=lambda file: not file.endswith(_INDEX)):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, file))

    def _clean(self) -> None:
        """Removes, once, what writers left here whose process was ended in the middle."""
        if self._cleaned:
            return
        self._cleaned = True
        for file in os.listdir(self._folder):
            found = _TEMPORARY.match(file)
            if found and not _alive(int(found.group(1))):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._folder, file))

    def _stays(self, prefix: str) -> bool:
        """Whether ``prefix`` is the one that is kept for good after so many hours."""
        try:
            kept = os.path.getmtime(f"{prefix}.index") > self._next_kept
        except OSError:
            return False
        self._next_kept += self._hours * 3600 if kept else 0
        return kept

    def _unchanged(self, tensors: Mapping[str, Any], frozen: frozenset[str]) -> frozenset[str]:
        """The names whose values are in the shard of frozen weights; it is written where that is worth it."""
        candidates = {name: tensors[name] for name in frozen if name in tensors}
        # Whether it is worth it is asked once: sizes of variables do not change.
        if frozen not in self._worth:
            here = all("CPU" in tensor.device for tensor in candidates.values())
            self._worth[frozen] = here and sum(map(_size, candidates.values())) >= _WORTH
        if not self._worth[frozen]:
            return frozenset()
        buffers = {name: np.asarray(tensor) for name, tensor in candidates.items()}
        if self._shard is None or not self._holds(buffers) or not os.path.exists(f"{self._shard}{_INDEX}"):
            self._forget_shard()
            shard = os.path.join(self._folder, f"{TEMPORARY}frozen-{os.getpid()}-{id(self)}")
            _write(shard, candidates, {})
            self._shard, self._still = shard, buffers
        return frozenset(candidates)

    def _holds(self, buffers: Mapping[str, Any]) -> bool:
        """Whether all of ``buffers`` are those that are held, and no others are."""
        held = self._still
        return held.keys() == buffers.keys() and all(
            np.may_share_memory(held[name], buffer) or not buffer.size for name, buffer in buffers.items()
        )

    def _write_merged(
        self,
        temporary: str,
        tensors: Mapping[str, Any],
        still: frozenset[str],
        cut: Mapping[str, tuple[str, str]],
    ) -> None:
        """Writes the changing part, links the frozen shard, and makes one checkpoint of both."""
        parts = [f"{temporary}_part0", f"{temporary}_part1"]
        for end in (_WHOLE, _INDEX):
            try:
                os.link(f"{self._shard}{end}", parts[0] + end)
            except OSError:
                # A file system without hard links.
                shutil.copyfile(f"{self._shard}{end}", parts[0] + end)
        _write(parts[1], {name: tensor for name, tensor in tensors.items() if name not in still}, cut)
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=temporary, delete_old_dirs=False
        )

    def _forget_shard(self) -> None:
        if self._shard is not None:
            for end in (_INDEX, _WHOLE):
                with contextlib.suppress(OSError):
                    os.unlink(f"{self._shard}{end}")
        self._shard, self._still = None, {}

    def close(self) -> None:
        """Removes the shard that later checkpoints would have been linked to."""
        self._forget_shard()


def _write(prefix: str, tensors: Mapping[str, Any], parts: Mapping[str, tuple[str, str]]) -> None:
    keys = sorted(tensors)
    values = [tensors[key] for key in keys]
    names, cuts = zip(*(parts.get(key, (key, "")) for key in keys), strict=True)
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=cuts, tensors=values)
    # A full disk may leave a short file without an error: the sizes tell.
    least = sum(_size(tensor) for tensor in values)
    written = os.path.getsize(prefix + _WHOLE)
    if written < least or not os.path.getsize(prefix + _INDEX):
        raise OSError(f"{written} bytes were written of {least}")


def _size(tensor: Tensor) -> int:
    """Bytes of a tensor's values; 0 where that is not known beforehand."""
    size = tensor.dtype.size
    return (
        int(tensor.shape.num_elements() * size) if size and tensor.dtype not in (tf.variant, tf.string) else 0
    )


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove_temporary(folder: str, name: str) -> None:
    """Removes the files of a temporary checkpoint."""
    with contextlib.suppress(OSError):
        for file in os.listdir(folder):
            if file.startswith(f"{TEMPORARY}{name}"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(folder, file))
