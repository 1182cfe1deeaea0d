"""An export read by somebody who knows its signature alone: outputs that belong together fit together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from transferkit.export.export_spec import About, ExportSpec
from transferkit.export.formats import saved_model

CLASSES = ("ant", "bee", "cat")
SHARES = np.array([[0.2, 0.1, 0.7], [0.5, 0.3, 0.2], [0.1, 0.6, 0.3]], np.float32)
WANTED = [
    [("cat", 0.7), ("ant", 0.2), ("bee", 0.1)],
    [("ant", 0.5), ("bee", 0.3), ("cat", 0.2)],
    [("bee", 0.6), ("cat", 0.3), ("ant", 0.1)],
]


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    """The first pixel's red says which row of SHARES is the answer."""
    shares = tf.Variable(SHARES)

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8)])
    def probabilities(images):
        return tf.gather(shares, tf.cast(images[:, 0, 0, 0], tf.int32))

    folder = tmp_path_factory.mktemp("export") / "1"
    folder.mkdir()
    saved_model.write(ExportSpec(probabilities, [shares], About(CLASSES, (8, 8))), folder)
    return folder


def images(*rows: int) -> np.ndarray:
    return np.stack([np.full((8, 8, 3), row, np.uint8) for row in rows])


def read(names, values):
    return [[(name.decode(), pytest.approx(float(value))) for name, value in zip(*one, strict=True)]
            for one in zip(names.numpy(), values.numpy(), strict=True)]  # fmt: skip


@pytest.mark.parametrize("signature", ["serving_default", "images"])
def test_names_and_numbers_that_belong_together_stand_in_one_order(export, signature):
    serve = tf.saved_model.load(str(export)).signatures[signature]
    pixels = tf.constant(images(0, 1, 2))
    given = (
        {"bytes": tf.map_fn(tf.io.encode_png, pixels, tf.string)}
        if signature != "images"
        else {"images": pixels}
    )
    answer = serve(**given)
    assert read(answer["labels"], answer["scores"]) == WANTED
    in_class_order = [sorted(pairs) for pairs in WANTED]
    assert read(answer["classes"], answer["probabilities"]) == in_class_order
    assert [[CLASSES[number] for number in row] for row in answer["class_ids"].numpy()] == [
        [name for name, _ in pairs] for pairs in WANTED
    ]
    assert set(answer) == {"labels", "scores", "class_ids", "classes", "probabilities"}


def test_no_text_of_ours_reads_ranked_labels_beside_probabilities():
    root = Path(__file__).parents[2]
    texts = [
        root / "README.md",
        *root.glob("transferkit/**/*.py"),
        *root.glob("notebooks/*.ipynb"),
        *root.glob("docs/**/*.md"),
    ]
    assert len(texts) > 100
    mixed = re.compile(
        r"zip\([^()]*labels[^()]*probabilities|\[\\?.labels\\?.\]\[0, 0\], answer\[\\?.probabilities"
    )
    assert [text.name for text in texts if mixed.search(text.read_text("utf-8"))] == []
