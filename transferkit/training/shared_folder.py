"""The folder of a phase on every worker as the chief has it, so that all go on from one state."""

from __future__ import annotations

import shutil
from pathlib import Path

from transferkit.cluster.cluster import Cluster

__all__ = ["same_folder"]

# Of a phase's folder; event files are for people.
_STATE = ("*.jsonl", "*.npz", "checkpoints/checkpoint", "checkpoints/*.ckpt-*")


def same_folder(cluster: Cluster, folder: Path) -> None:
    """Gives all workers the files of the chief's folder that an interrupted phase goes on from.

    Args:
        cluster: the workers.
        folder: of a phase; each worker's own.
    """
    found = sorted({path for pattern in _STATE for path in folder.glob(pattern) if path.is_file()})
    names = cluster.share([path.relative_to(folder).as_posix() for path in found])
    if not cluster.is_chief:
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
    for name in names:
        path = folder / name
        data = cluster.bytes_of(0, path.read_bytes() if cluster.is_chief else None)
        if not cluster.is_chief:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
