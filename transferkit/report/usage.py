"""How to use an export, in words that work when they are pasted: for the report and the model card."""

from __future__ import annotations

import shlex

from transferkit.report.facts import ExportFacts

__all__ = ["python_usage", "serving_usage"]


def python_usage(export: ExportFacts, version: int = 1) -> str:
    """Python with TensorFlow alone: neither transferkit nor Keras is needed."""
    return (
        "import tensorflow as tf\n"
        "\n"
        f"model = tf.saved_model.load({_quoted(f'{export.path}/{version}')})\n"
        'photo = tf.io.read_file("photo.jpg")\n'
        'answer = model.signatures["serving_default"](bytes=photo[None])\n'
        'best = int(tf.argmax(answer["probabilities"][0]))\n'
        'for label, probability in zip(answer["labels"][0].numpy(), answer["probabilities"][0].numpy()):\n'
        '    print(label.decode(), f"{probability:.3f}")\n'
    )


def serving_usage(export: ExportFacts) -> str:
    """TensorFlow Serving in a container, and a request by curl.

    The photo goes through a pipe: as an argument it would be too long for most shells.
    """
    name = shlex.quote(export.name)
    # Docker takes no relative path.
    folder = shlex.quote(export.path) if export.path.startswith("/") else f'"$PWD"/{shlex.quote(export.path)}'
    return (
        f"docker run --rm -p 8501:8501 -v {folder}:/models/{name} \\\n"
        f"  -e MODEL_NAME={name} tensorflow/serving\n"
        "\n"
        "(printf '{\"instances\": [{\"b64\": \"'; base64 < photo.jpg | tr -d '\\n'; printf '\"}]}') |\n"
        f"  curl -s -d @- http://localhost:8501/v1/models/{name}:predict\n"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
