"""How activations are computed and kept, whatever they are of."""

from __future__ import annotations

import os
from dataclasses import dataclass

from transferkit.files.remote import is_remote
from transferkit.recipe.sections import ActivationsSection

__all__ = ["ComputeSettings"]


@dataclass(frozen=True)
class ComputeSettings:
    """Engine, batches, precision and place.

    Attributes:
        engine: ``"auto"`` or one of :data:`transferkit.activations.engines.choose_engine.ENGINES`.
        batch_size: images that are decoded ahead together and given to the engine at once.
        threads: threads that decode; None takes as many as the process has cores.
        cache_dir: folder of the cache; None takes the user's.
        max_bytes: bound of the cache; None takes a tenth of the disk, 50 GiB at most.
        dtype: ``"float32"``, ``"float16"``, or ``"auto"``: float16 for rows above
            :data:`transferkit.activations.compute.HALF_FROM_BYTES`.
        label: what ``transferkit cache info`` shows for these activations.
        devices: names of the logical devices that compute; those that TensorFlow takes by itself if none are
            named.
        sources: folders and URLs from which rows are brought that the cache lacks.
        shared: the URL of a cache: rows are brought from there, and what is computed is put there.
        precision: that the prefix computes in, ``"float32"``, ``"bfloat16"`` or ``"float16"``; what is kept
            of another than float32 is kept apart.
    """

    engine: str = "auto"
    batch_size: int = 64
    threads: int | None = None
    cache_dir: str | os.PathLike[str] | None = None
    max_bytes: int | None = None
    dtype: str = "auto"
    label: str = ""
    devices: tuple[str, ...] = ()
    precision: str = "float32"
    sources: tuple[str, ...] = ()
    shared: str | None = None

    @classmethod
    def of(
        cls,
        section: ActivationsSection,
        label: str,
        devices: tuple[str, ...] = (),
        precision: str = "float32",
    ) -> ComputeSettings:
        """What a recipe says of it.

        Args:
            section: ``[activations]``.
            label: see there.
            devices: see there.
            precision: see there.
        """
        folder = section.cache_dir
        return cls(
            engine=section.engine,
            cache_dir=section.cache_dir,
            max_bytes=section.max_bytes,
            dtype=section.dtype,
            label=label,
            devices=devices,
            precision=precision,
            sources=tuple(getattr(section, "from") or ()),
            shared=folder if folder is not None and is_remote(folder) else None,
        )
