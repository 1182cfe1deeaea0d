"""The pass through the frozen prefix, divided over workers: each passes the images of its own share.

Shares are drawn by content, so they stay when files move, and a worker that starts again finds its own. The
chief needs all rows in the end, to evaluate and for what is made of the training images after training. It
finds the others' in the cache folder where all workers have the same one; else they are sent, and kept in the
chief's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit.activations.compute import Activations
from transferkit.cluster.cluster import Cluster
from transferkit.data.reader import Unreadable
from transferkit.data.shard import Shard
from transferkit.errors import UserError, fault
from transferkit.files.cache_location import writable_cache_folder
from transferkit.recipe import Recipe
from transferkit.training.images import Images
from transferkit.training.pass_images import PassRequest, cut_rows, keep_rows, kept_rows
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    pass

__all__ = ["Shares"]

_BLOCK_BYTES = 16 * 1024**2


@dataclass
class Shares:
    """The shares of one worker's images and all others'.

    Attributes:
        cluster: the workers.
        recipe: says which cache.
    """

    cluster: Cluster
    recipe: Recipe
    _shared: bool | None = field(default=None, repr=False)

    def mine(self, images: Images) -> np.ndarray:
        """bool ``[N]``: which images are in this worker's own share."""
        shard = Shard(self.cluster.place.number + 1, self.cluster.count)
        return np.fromiter((shard.has(row.sha256) for row in images.rows), bool, len(images))

    def pass_images(self, request: PassRequest, progress: Progress) -> Activations:
        """What the prefix gives for some of the images: of this worker's share, and for the chief of all, but
        for views. The others have no row.

        Args:
            request: which images; the same on every worker.
            progress: shows them.
        """
        cut, images, chosen = request.cut, request.images, request.chosen
        if cut.kept_parts:
            hint = "run it on one machine, or pass the images first with `transferkit features compute`"
            raise UserError(
                fault("backbone", self.recipe.backbone.name, "one network for several workers", hint)
            )
        owners = self._owners(images)[chosen]
        places = np.flatnonzero(owners == self.cluster.place.number)
        dtype: str = self.recipe.activations.dtype
        mine = replace(request, chosen=chosen[places])
        own = kept_rows(mine, progress, dtype)
        with progress.stage("shares", doing="waiting for those of the other workers"):
            dtypes = self.cluster.gather(own.stats.dtype)
        if len(set(dtypes)) > 1:
            # What one worker could not keep as float16 decides for all.
            dtype = "float32"
            own = kept_rows(mine, progress, dtype)
        told = self.cluster.gather([[int(places[one.index]), one.reason] for one in own.failures])
        reasons = {place: reason for part in told for place, reason in part}
        dtype = own.stats.dtype
        found, wanted = own, places
        rest = _of_others(owners, reasons) if request.views is None else places[:0]
        if len(rest) and not self.shares_folder():
            self._send(request, owners, rest, own, progress)
        if len(rest) and self.cluster.is_chief:
            wanted = np.union1d(places, rest)
            found = kept_rows(replace(request, chosen=chosen[wanted]), progress, dtype)
        rows = np.full((len(chosen), *found.rows.shape[1:]), -1)
        rows[wanted] = found.rows
        failures = tuple(
            Unreadable(place, Path(images.paths[chosen[place]]), reason)
            for place, reason in sorted(reasons.items())
        )
        counts = np.array([[own.stats.computed, own.stats.found, own.stats.distinct]], np.int64)
        computed, known, distinct = self.cluster.total(counts)[0].tolist()
        stats = replace(own.stats, computed=computed, found=known, distinct=distinct, bytes=found.stats.bytes)
        return cut_rows(cut, Activations(rows, found.array, failures, stats), progress)

    def shares_folder(self) -> bool:
        """Whether all workers have one cache folder."""
        if self._shared is None:
            folder = writable_cache_folder(self.recipe.activations.cache_dir)
            name = self.cluster.share(f".seen-{secrets.token_hex(8)}" if self.cluster.is_chief else None)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if self.cluster.is_chief:
                    (folder / name).write_bytes(b"")
            except OSError as error:
                expected = "a folder to write in"
                raise UserError(
                    fault("activations.cache_dir", str(folder), expected, error.strerror)
                ) from None
            self.cluster.barrier()
            self._shared = all(self.cluster.gather((folder / name).exists()))
            if self.cluster.is_chief:
                (folder / name).unlink(missing_ok=True)
        return self._shared

    def _owners(self, images: Images) -> np.ndarray:
        """int64 ``[N]``: whose share each image is in."""
        shards = [Shard(number + 1, self.cluster.count) for number in range(self.cluster.count)]
        found = ((row.sha256, [shard.has(row.sha256) for shard in shards]) for row in images.rows)
        return np.fromiter((has.index(True) for _, has in found), np.int64, len(images))

    def _send(
        self,
        request: PassRequest,
        owners: np.ndarray,
        rest: np.ndarray,
        own: Activations,
        progress: Progress,
    ) -> None:
        """Sends rows to the chief, which keeps them in its cache."""
        row = int(np.prod(own.array.shape[1:], dtype=np.int64)) * own.array.dtype.itemsize
        place_of = np.cumsum(owners == self.cluster.place.number) - 1
        with progress.stage("exchange", total=len(rest)) as stage:
            for owner, part in self._blocks(owners, rest, max(1, _BLOCK_BYTES // row)):
                told = None
                if owner == self.cluster.place.number:
                    told = own.array[own.rows[place_of[part]]].tobytes()
                data = self.cluster.bytes_of(owner, told)
                if self.cluster.is_chief:
                    rows = np.frombuffer(data, own.array.dtype).reshape(len(part), *own.array.shape[1:])
                    keep_rows(replace(request, chosen=request.chosen[part]), rows)
                stage.update(stage.done + len(part))

    def _blocks(self, owners: np.ndarray, rest: np.ndarray, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        for owner in range(1, self.cluster.count):
            theirs = rest[owners[rest] == owner]
            for start in range(0, len(theirs), rows):
                yield owner, theirs[start : start + rows]


def _of_others(owners: np.ndarray, reasons: dict[int, str]) -> np.ndarray:
    """What the chief needs of the others' shares: the readable images."""
    readable = ~np.isin(np.arange(len(owners)), list(reasons))
    found: np.ndarray = np.flatnonzero(readable & (owners != 0))
    return found
