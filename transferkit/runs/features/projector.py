"""Features as TensorBoard's projector reads them: vectors, labels, thumbnails, and a configuration."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit.files.whole_file import whole_file, write_whole

if TYPE_CHECKING:
    from transferkit.runs.features.embed import Embedding

__all__ = ["CONFIG", "write_projector"]

# The name that TensorBoard looks for in a folder of logs.
CONFIG = "projector_config.pbtxt"
# The projector takes a picture of so many pixels a side.
_MOST_PIXELS, _TILE, _LEAST_TILE = 8192, 64, 8


def write_projector(embedding: Embedding, to: Path) -> tuple[Path, ...]:
    """Writes the vectors and what belongs to them; ``tensorboard --logdir`` of the folder shows them.

    Args:
        embedding: features of photos.
        to: the ``.tsv`` of the vectors; the others lie beside it.

    Returns:
        The files.
    """
    labels, picture = to.with_name(f"{to.stem}_labels.tsv"), to.with_name(f"{to.stem}_photos.png")
    with whole_file(to) as file:
        np.savetxt(file, embedding.features, "%.6g", delimiter="\t")
    columns = embedding.columns()
    rows = ["label\tsplit\tpath"]
    rows += [
        "\t".join((value or "").replace("\t", " ").replace("\n", " ") for value in row)
        for row in zip(columns["label"], columns["split"], columns["path"], strict=True)
    ]
    write_whole(labels, "\n".join(rows) + "\n")
    tile = min(_TILE, _MOST_PIXELS // max(1, math.ceil(math.sqrt(len(embedding)))))
    lines = [f'tensor_name: "{to.stem}"', f'tensor_path: "{to.name}"', f'metadata_path: "{labels.name}"']
    files = [to, labels]
    if tile >= _LEAST_TILE:
        from transferkit.report.sprite import sprite

        with whole_file(picture) as file:
            sprite([one.path for one in embedding.photos], tile).save(file, "PNG")
        sides = f"single_image_dim: {tile} single_image_dim: {tile}"
        lines.append(f'sprite {{ image_path: "{picture.name}" {sides} }}')
        files.append(picture)
    config = to.with_name(CONFIG)
    write_whole(config, "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
    return (*files, config)
