"""TensorFlow Serving's REST formats: what a prediction's request may say, and how answers are written.

https://www.tensorflow.org/tfx/serving/api_rest: the row format (``instances``) and the column format
(``inputs``), ``{"b64": …}`` for bytes, ``signature_name``.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.export.export_spec import About
from transferkit.export.outputs import output_names
from transferkit.serving.request_limits import Refusal
from transferkit.type_names import NamedValues

__all__ = ["Asked", "answer_json", "metadata_json", "read_request", "status_json"]

# Signature to its one input.
_INPUTS = {"serving_default": "bytes", "images": "images"}
_KEYS = {"signature_name", "instances", "inputs"}
_DTYPES = {
    "labels": "DT_STRING",
    "classes": "DT_STRING",
    "class_ids": "DT_INT64",
    "confident": "DT_BOOL",
    "unknown": "DT_BOOL",
    "present": "DT_BOOL",
}
_SINGLE = ("confident", "unknown", "novelty")


@dataclass(frozen=True)
class Asked:
    """A request for predictions.

    Attributes:
        rows: whether it came, and is answered, in the row format.
        images: encoded images, or uint8 ``[H, W, 3]`` each.
        key: the request's own word for them, for messages.
    """

    rows: bool
    images: list[bytes | np.ndarray]
    key: str


def read_request(body: bytes, most: int) -> Asked:
    """Reads the body of a ``:predict`` request.

    Args:
        body: JSON.
        most: images of one request.

    Raises:
        Refusal: it is no such request; says which part.
    """
    try:
        read = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(read, dict):
        raise Refusal(400, f"the body is {_kind(read)}, expected an object with instances or inputs")
    if unknown := sorted(set(read) - _KEYS):
        raise Refusal(400, f"received the key {unknown[0]!r}, expected {', '.join(sorted(_KEYS))}")
    given = [key for key in ("instances", "inputs") if key in read]
    if len(given) != 1:
        raise Refusal(
            400, f"received {' and '.join(given) or 'neither'}, expected one of instances and inputs"
        )
    signature = read.get("signature_name") or "serving_default"
    if not isinstance(signature, str) or signature not in _INPUTS:
        raise Refusal(400, f"signature_name: received {signature!r}, expected one of {', '.join(_INPUTS)}")
    (key,) = given
    name = _INPUTS[signature]
    values = _rows(read[key], name) if key == "instances" else _columns(read[key], name)
    if len(values) > most:
        raise Refusal(413, f"{key}: received {len(values)} images, expected at most {most} in a request")
    make = _encoded if name == "bytes" else _pixels
    return Asked(key == "instances", [make(one, f"{key}[{n}]") for n, one in enumerate(values)], key)


def answer_json(asked: Asked, outputs: dict[str, np.ndarray]) -> bytes:
    """The answer in the format of its request; ``outputs`` have a row an image."""
    told = {name: values.tolist() for name, values in outputs.items()}
    if not asked.rows:
        return _json({"outputs": told})
    names = list(told)
    lines = [dict(zip(names, row, strict=True)) for row in zip(*told.values(), strict=True)]
    return _json({"predictions": lines})


def status_json(version: int) -> bytes:
    """The answer to a model's status."""
    status = {"error_code": "OK", "error_message": ""}
    return _json(
        {"model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": status}]}
    )


def metadata_json(name: str, version: int, about: About) -> bytes:
    """The answer to a model's metadata: its signatures.

    Args:
        name: of the model.
        version: of its export, from 1.
        about: what its answers mean.
    """
    count = len(about.classes)
    outputs = {
        one: _tensor(one, _DTYPES.get(one, "DT_FLOAT"), [-1] if one in _SINGLE else [-1, count])
        for one in sorted(output_names(about))
    }
    inputs = {
        "serving_default": {"bytes": _tensor("bytes", "DT_STRING", [-1])},
        "images": {"images": _tensor("images", "DT_UINT8", [-1, -1, -1, 3])},
    }
    signatures = {
        one: {"inputs": inputs[one], "outputs": outputs, "method_name": "tensorflow/serving/predict"}
        for one in _INPUTS
    }
    return _json(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
    )


def _rows(instances: Any, name: str) -> list[Any]:
    """Each instance's value: an object of inputs, or the value alone since there is one input."""
    values = _list(instances, "instances")
    found = []
    for number, one in enumerate(values):
        if isinstance(one, dict) and set(one) != {"b64"}:
            if set(one) != {name}:
                raise Refusal(400, f"instances[{number}]: received the keys {_keys(one)}, expected {name}")
            one = one[name]
        found.append(one)
    return found


def _columns(inputs: Any, name: str) -> list[Any]:
    if isinstance(inputs, dict) and set(inputs) != {"b64"}:
        if set(inputs) != {name}:
            raise Refusal(400, f"inputs: received the keys {_keys(inputs)}, expected {name}")
        return _list(inputs[name], f"inputs.{name}")
    return _list(inputs, "inputs")


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        received = "an empty list" if value == [] else _kind(value)
        raise Refusal(400, f"{place}: received {received}, expected a list of at least one image")
    return value


def _encoded(value: Any, place: str) -> bytes:
    if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
        received = f"the keys {_keys(value)}" if isinstance(value, dict) else _kind(value)
        raise Refusal(400, f'{place}: received {received}, expected {{"b64": "…"}}, an encoded image')
    try:
        return base64.b64decode("".join(value["b64"].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"{place}: b64 is not base64: {error}") from None


def _pixels(value: Any, place: str) -> np.ndarray:
    expected = "expected [height][width][3] of whole numbers from 0 to 255"
    try:
        pixels = np.asarray(value)
    except (ValueError, OverflowError):
        raise Refusal(400, f"{place}: its rows differ in length, {expected}") from None
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise Refusal(400, f"{place}: received the shape {list(pixels.shape)}, {expected}")
    if pixels.dtype.kind not in "iu" or pixels.min() < 0 or pixels.max() > 255:
        raise Refusal(400, f"{place}: received other values, {expected}")
    return pixels.astype(np.uint8)


def _tensor(name: str, dtype: str, shape: list[int]) -> NamedValues:
    dimensions = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dimensions, "unknown_rank": False}, "name": name}


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _keys(value: NamedValues) -> str:
    return ", ".join(repr(key[:40]) for key in sorted(value)[:5]) or "none"


def _json(value: Any) -> bytes:
    # A name may hold what is half a character: the bytes of a file name that is no UTF-8.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
