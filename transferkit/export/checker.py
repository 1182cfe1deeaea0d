"""The fresh process that reloads artefacts; :class:`transferkit.export.check_process.Checker` starts it.

It is started while a run still trains, so that TensorFlow is imported by the time there is something to
check, and at low priority, so that it takes only time that nothing else wants. Orders come as lines of JSON
on standard input and are answered on standard output, in order:

* ``{"format": …, "path": …, "files": […], "pictures": […], "answers": …}``: load ``path``, ask every
  signature about the images ``files``, one that takes pixels of any size also about the PNG ``pictures``, and
  write all outputs to ``answers`` (``.npz``, :func:`transferkit.export.answers_file.save_answers`);
* the reply is ``{"labels": […], "about": {…}, "all_outputs": …, "seconds": …}``, or ``{"error": "…"}``.

When standard input ends the process ends, in the middle of an order too: a run that is killed leaves nothing.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.data.pixels.decoding import Decoding

__all__ = ["main"]

_NICENESS = 10
_WORTH_PREPARING = ("keras", "onnxruntime")  # not what only writes


def main(formats: list[str]) -> None:
    """Answers orders until standard input ends."""
    replies = _own_replies()
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, orders), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # What is checked must answer on the CPU, and the accelerator is busy with training.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from transferkit.errors import UserError
    from transferkit.export.formats import load_format
    from transferkit.export.no_keras import without_keras
    from transferkit.keras_settings import prepare_import

    # The collector would go through a million objects of TensorFlow's again and again.
    gc.disable()
    prepare_import()
    with without_keras():
        import tensorflow  # noqa: F401
    for name in formats:
        module = load_format(name)
        for needed in module.NEEDS:
            if needed in _WORTH_PREPARING:
                importlib.import_module(needed)
    gc.freeze()
    gc.enable()
    while True:
        order = json.loads(orders.get())
        began = time.perf_counter()
        try:
            reply = _check(order)
        except UserError as error:
            reply = {"error": str(error)}
        except Exception as error:  # whatever a damaged or wrong artefact brings about is what is looked for
            lines = str(error).strip().splitlines()
            reply = {"error": f"{type(error).__name__}: {lines[0] if lines else ''}"}
        reply["seconds"] = round(time.perf_counter() - began, 3)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _own_replies() -> TextIO:
    """Standard output for the replies alone: what libraries print goes to standard error from here on."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _listen(source: TextIO, orders: queue.SimpleQueue[str]) -> None:
    for line in source:
        orders.put(line)
    os._exit(0)


def _check(order: NamedValues) -> NamedValues:
    from transferkit.data.pixels.transcode import readable_in_graph
    from transferkit.export.answers_file import save_answers
    from transferkit.export.formats import load_format

    opened = load_format(order["format"]).read(Path(order["path"]))
    about = opened.about
    encoded = [readable_in_graph(Path(file).read_bytes(), about.decoding) for file in order["files"]]
    pixels = _decoded(encoded, about.decoding)
    answered: list[tuple[str, str, dict[str, np.ndarray]]] = []
    if opened.call is not None:
        answered.append(("serving_default", "files", opened.call("serving_default", encoded)))
        answered.append(("images", "files", opened.call("images", pixels)))
        if order["pictures"]:
            parts = [opened.call("images", _opened(file)[np.newaxis]) for file in order["pictures"]]
            together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            answered.append(("images", "pictures", together))
    else:
        (signature,) = opened.signatures
        if opened.outputs is not None:
            outputs = opened.outputs(pixels)
        else:
            asked = opened.from_bytes
            outputs = {"probabilities": asked(encoded) if asked is not None else opened.answer(pixels)}
        named = {name: np.asarray(value, np.float32) for name, value in outputs.items()}
        answered.append((signature, "files", named))
    save_answers(Path(order["answers"]), answered)
    return {
        "labels": list(opened.labels),
        "about": json.loads(about.to_json()),
        "all_outputs": opened.call is not None,
    }


def _opened(file: str) -> np.ndarray:
    import tensorflow as tf

    result: np.ndarray = tf.io.decode_png(tf.io.read_file(file), channels=3).numpy()
    return result


def _decoded(encoded: list[bytes], decoding: Decoding) -> np.ndarray:
    from transferkit.data.reader import decoder

    run = decoder(decoding)
    return np.stack([run(one) for one in encoded])
