"""Small networks and images for the adapters' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = (32, 32)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Four raw images of 32 px."""
    return np.random.default_rng(0).integers(0, 256, (4, *SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def application() -> Any:
    """MobileNet as a user builds it: a quarter as wide, 32 px, random weights, without preprocessing."""
    import keras

    keras.utils.set_random_seed(7)
    model = keras.applications.MobileNet(
        alpha=0.25, include_top=False, weights=None, input_shape=(*SIZE, 3), pooling="avg"
    )
    for variable in model.weights:
        # Twenty-seven layers of small random kernels would leave features near 1e-18.
        if variable.name.endswith("kernel"):
            variable.assign(4.6 * variable)
    return model


@pytest.fixture(scope="session")
def wanted(application: Any, images: np.ndarray) -> np.ndarray:
    """Its features of the images."""
    from transferkit.backbones.normalise_pixels import Pixels

    return np.asarray(application(Pixels("tf")(images), training=False))


@pytest.fixture(scope="session")
def hub_folder(application: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel by the Hub's conventions: images in [0, 1], a training switch, a penalty."""
    import tensorflow as tf

    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.variables_ = [variable.value for variable in application.variables]
            self.kernel = application.get_layer("conv1").kernel.value

        @tf.function
        def __call__(self, images: Any, training: bool = False) -> Any:
            return application(images * 2.0 - 1.0, training=training)

    module = Module()
    spec = tf.TensorSpec([None, *SIZE, 3], tf.float32)
    for training in (True, False):
        module.__call__.get_concrete_function(spec, training=training)
    penalty = tf.function(lambda: 0.5 * tf.reduce_sum(module.kernel**2), input_signature=[])
    module.regularization_losses = [penalty]
    folder = tmp_path_factory.mktemp("hub") / "module"
    tf.saved_model.save(module, str(folder))
    return folder
