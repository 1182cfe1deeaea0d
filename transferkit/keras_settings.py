"""Keras's settings for the whole process: its backend, number type, epsilon and order of channels.

Keras takes them from ``keras.json`` and from ``KERAS_BACKEND``, so the same recipe would give other results,
or none, on a machine where somebody once changed them. Where transferkit imports Keras first it sets what it
computes with, and says so. Where the host program did, its settings are its own: they are refused if they
differ.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from transferkit.code_permission import announce
from transferkit.errors import Faults, UserError, fault
from transferkit.type_names import NamedValues

__all__ = ["keras_folder", "prepare_import", "settings_file", "settle"]

_WANTED: NamedValues = {
    "backend": "tensorflow",
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
# With others Keras does not even start.
_KNOWN = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}
_state = {"ours": False, "settled": False}


def keras_folder() -> Path:
    """Where Keras keeps its settings and weights: ``KERAS_HOME``, else ``.keras`` in the user's home, or in
    ``/tmp``, as Keras does it, where no home is known."""
    if named := os.environ.get("KERAS_HOME"):
        return Path(os.path.expanduser(named))
    home = os.path.expanduser("~")
    return Path(home if os.path.isabs(home) else "/tmp", ".keras")


def settings_file() -> Path:
    """Where Keras looks for its settings."""
    return keras_folder() / "keras.json"


def prepare_import() -> None:
    """To be called before anything imports Keras, TensorFlow among it.

    Raises:
        UserError: Keras could not start with its settings file.
    """
    if sys.modules.get("keras") is not None:
        return
    _check_file()
    # This stands over the file.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    _state["ours"] = True


def settle(keras: Any) -> None:
    """Sets what transferkit computes with, or refuses what the host program has set.

    Args:
        keras: the imported module.

    Raises:
        UserError: the host program imported Keras with other settings.
    """
    if _state["settled"]:
        return
    now = {
        "backend": keras.config.backend(),
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "image_data_format": keras.config.image_data_format(),
    }
    other = {name: value for name, value in now.items() if value != _WANTED[name]}
    # Asked for too early, the policy would be made of the number type that is about to change.
    if not _state["ours"] and "floatx" not in other:
        policy = keras.config.dtype_policy().name
        other |= {"dtype_policy": policy} if policy != _WANTED["floatx"] else {}
    if other and (not _state["ours"] or "backend" in other):
        raise UserError(*(_refused(name, value) for name, value in other.items()))
    for name, value in other.items():
        getattr(keras.config, f"set_{name}")(_WANTED[name])
        announce(f"note: {settings_file()}: {name} = {value!r} is not used here, but {_WANTED[name]!r}")
    _state["settled"] = True


def _refused(name: str, value: Any) -> str:
    wanted = _WANTED.get(name, _WANTED["floatx"])
    if name == "backend":
        hint = "unset KERAS_BACKEND, or import transferkit before keras"
    else:
        hint = f"this program set it, or {settings_file()}; say keras.config.set_{name}({wanted!r})"
    return fault(f"keras: {name}", value, repr(wanted), hint)


def _check_file() -> None:
    file = settings_file()
    try:
        text = file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        hint = f"{error.strerror}; or name another folder with KERAS_HOME"
        raise UserError(fault(str(file), expected="a file that can be read", hint=hint)) from None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return  # Keras takes what is no JSON for an empty file
    hint = "fix or remove the file; transferkit needs none of it"
    if not isinstance(values, dict):
        raise UserError(fault(str(file), type(values).__name__, "a JSON object of Keras's settings", hint))
    faults = Faults()
    for name, known in _KNOWN.items():
        if name in values and values[name] not in known:
            faults.append(fault(f"{file}: {name}", values[name], f"one of {', '.join(known)}", hint))
    if "epsilon" in values and not isinstance(values["epsilon"], float):
        faults.append(fault(f"{file}: epsilon", values["epsilon"], "a number with a point", hint))
    faults.refuse()
