"""How to use an export, in words that work when they are pasted: for the report and the model card."""

from __future__ import annotations

import os
import re
import shlex

from transferkit.files.plain_path import is_pattern
from transferkit.report.facts import ExportFacts

__all__ = ["python_usage", "serving_usage"]


def python_usage(export: ExportFacts, version: int = 1) -> str:
    """Python with TensorFlow alone: neither transferkit nor Keras is needed."""
    lines = _load(f"{export.path}/{version}")
    lines += 'answer = model.signatures["serving_default"](bytes=photo[None])\n'
    if not export.multi_label:
        return lines + (
            "# The likeliest first; classes and probabilities are the same in class order.\n"
            'for label, score in zip(answer["labels"][0].numpy(), answer["scores"][0].numpy()):\n'
            '    print(label.decode(), f"{score:.3f}")\n'
        )
    return lines + (
        'present = answer["present"][0].numpy()  # in class order, as classes and probabilities are\n'
        'ranked = [answer[name][0].numpy() for name in ("labels", "scores", "class_ids")]\n'
        "for label, score, number in zip(*ranked):  # the likeliest first\n"
        '    print(label.decode(), f"{score:.3f}", "yes" if present[number] else "no")\n'
    )


def serving_usage(export: ExportFacts) -> str:
    """TensorFlow Serving in a container, and a request by curl.

    The photo goes through a pipe: as an argument it would be too long for most shells.
    """
    # A name of the server's own: it takes brackets for a pattern, as TensorFlow does.
    name = re.sub(r"[^\w.-]+", "_", export.name, flags=re.ASCII)
    # Docker takes no relative path.
    folder = shlex.quote(export.path) if export.path.startswith("/") else f'"$PWD"/{shlex.quote(export.path)}'
    return (
        f"docker run --rm -p 8501:8501 -v {folder}:/models/{name} \\\n"
        f"  -e MODEL_NAME={name} tensorflow/serving\n"
        "\n"
        "(printf '{\"instances\": [{\"b64\": \"'; base64 < photo.jpg | tr -d '\\n'; printf '\"}]}') |\n"
        f"  curl -s -d @- http://localhost:8501/v1/models/{name}:predict\n"
    )


def _load(path: str) -> str:
    """Lines that load an export and a photo."""
    photo = 'photo = tf.io.read_file("photo.jpg")\n'
    if not is_pattern(path):
        return f"import tensorflow as tf\n\nmodel = tf.saved_model.load({_quoted(path)})\n{photo}"
    folder, version = os.path.split(path)
    return (
        f"import os\nimport tensorflow as tf\n\n{photo}"
        "# TensorFlow takes brackets, * and ? in a path for a pattern: load from inside the folder.\n"
        f'os.chdir({_quoted(folder)})\nmodel = tf.saved_model.load("{version}")\n'
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
