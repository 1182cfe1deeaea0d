"""A small model that is served on a loopback port, in this process."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

uvicorn = pytest.importorskip("uvicorn", reason="needs transferkit[serve]")
pytest.importorskip("starlette", reason="needs transferkit[serve]")
pytest.importorskip("prometheus_client", reason="needs transferkit[serve]")

CLASSES = ("dark", "light", "a red/öne")
COLOURS = {"dark": (10, 10, 10), "light": (240, 240, 240), "a red/öne": (250, 5, 5)}
SIDE = 16


@pytest.fixture(scope="session")
def spec():
    """What is exported: it knows three colours."""
    import tensorflow as tf

    from transferkit.export.export_spec import About, ExportSpec

    kernel = np.array([[-9, 9, 9], [-9, 9, -9], [-9, 9, -9]], np.float32)
    weights, bias = tf.Variable(kernel), np.array([4, -8, 0], np.float32)

    def logits(images):
        return tf.matmul(tf.reduce_mean(tf.cast(images, tf.float32) / 255, [1, 2]), weights) + bias

    def keras_model():
        from transferkit.keras_import import keras

        inputs = keras.Input((SIDE, SIDE, 3))
        means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs))
        dense = keras.layers.Dense(3, activation="softmax")
        model = keras.Model(inputs, dense(means))
        dense.set_weights([kernel, bias])
        return model

    shape = [tf.TensorSpec([None, SIDE, SIDE, 3], tf.uint8)]
    probabilities = tf.function(lambda x: tf.nn.softmax(logits(x)), input_signature=shape)
    scored = tf.function(
        lambda x: (probabilities(x), tf.math.reduce_std(tf.cast(x, tf.float32), [1, 2, 3]) / 50),
        input_signature=shape,
    )
    about = About(CLASSES, (SIDE, SIDE), threshold=0.9, precision=0.99, false_alarms=0.05)
    return ExportSpec(probabilities, [weights], about, keras_model=keras_model, with_novelty=scored)


@pytest.fixture(scope="session")
def version(spec, tmp_path_factory) -> Path:
    """Version 3 of its export, as SavedModel, TFLite and .keras."""
    from transferkit.export.formats import keras, saved_model, tflite

    folder = tmp_path_factory.mktemp("colours") / "3"
    folder.mkdir()
    saved_model.write(spec, folder)
    tflite.write(spec, folder / tflite.FILE)
    keras.write(spec, folder / keras.FILE)
    return folder


class Running:
    """An application on a loopback port, in a thread of its own."""

    def __init__(self, app) -> None:
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started:
            assert self.thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start in a minute"
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def ask(self, path: str, body: object = None, method: str | None = None, **headers: str):
        """Status, the answer (JSON where it is some), and the headers."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.headers.get_content_type() == "application/json":
            text = json.loads(text)
        return answer.status, text, answer.headers

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)


@pytest.fixture(scope="session")
def start():
    """Serves a model; called with its place, and anything of Limits and of make_app."""
    from transferkit.serving.app import make_app
    from transferkit.serving.request_limits import Limits
    from transferkit.serving.served_model import Served
    from transferkit.serving.service import Service

    running, loaded = [], {}

    def made(
        place, engine="saved_model", insight=None, hosts=None, origins=(), wrap=lambda app: app, **limits
    ):
        engine = "auto" if Path(place).is_file() else engine
        if (place, engine) not in loaded:
            loaded[place, engine] = Served(place, "colours", engine)
        served = loaded[place, engine]
        service = Service(served, Limits(**limits), insight, neighbours=insight is not None)
        one = Running(wrap(make_app(service, hosts, origins)))
        one.service = service
        running.append(one)
        return one

    yield made
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def server(start, version):
    return start(version)


def encoded(colour, form="PNG", size=(40, 30)) -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS.get(colour, colour)).save(file, form)
    return file.getvalue()
