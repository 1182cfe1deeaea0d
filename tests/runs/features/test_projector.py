"""TensorBoard's projector opens what `embed --to x.tsv` writes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from transferkit.runs.features.embed import Embedding
from transferkit.runs.features.photos import Photo


def test_vectors_labels_and_pictures_belong_together(photos, tmp_path):
    files = sorted(photos.rglob("*.png"))[:5]
    found = tuple(Photo(str(file), f"a {file.parent.name}\todd", "train", "0" * 64) for file in files)
    values = np.arange(15, dtype=np.float32).reshape(5, 3) / 7
    written = Embedding(found, values).save(tmp_path / "flowers.tsv")
    assert [file.name for file in written] == [
        "flowers.tsv", "flowers_labels.tsv", "flowers_photos.png", "projector_config.pbtxt",
    ]  # fmt: skip
    np.testing.assert_allclose(np.loadtxt(written[0], delimiter="\t"), values, rtol=1e-5)
    rows = written[1].read_text("utf-8").splitlines()
    assert rows[0] == "label\tsplit\tpath"
    assert len(rows) == 6
    assert all(row.count("\t") == 2 for row in rows)
    with Image.open(written[2]) as picture:
        assert picture.size == (192, 128)
        assert picture.getpixel((0, 0)) == (128, 128, 128)  # photos of 24 pixels stand in the middle
    text = written[3].read_text()
    for name in ("flowers.tsv", "flowers_labels.tsv", "flowers_photos.png"):
        assert f'"{name}"' in text
    try:
        from google.protobuf import text_format
        from tensorboard.plugins.projector import projector_config_pb2
    except ImportError:
        return
    config = text_format.Parse(text, projector_config_pb2.ProjectorConfig())
    assert list(config.embeddings[0].sprite.single_image_dim) == [64, 64]
