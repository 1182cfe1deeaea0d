"""SavedModels as backbones: from TensorFlow Hub, from a folder.

A module is loaded with ``hub.load`` or ``tf.saved_model.load``, as a callable with variables, and never as a
``KerasLayer``, which cannot join a Keras 3 model. Hub image modules take float images in [0, 1] (the common
signatures for image modules). A SavedModel of one's own takes what its training took, which it does not say:
where it takes uint8 that can only be raw pixels, else the user has to say it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from transferkit.backbones._tensorflow_hub import import_tensorflow_hub
from transferkit.backbones.backbone import Origin
from transferkit.backbones.callable_backbone import CallableBackbone, Module
from transferkit.backbones.weights.digest import of_path
from transferkit.card import NORMALISATIONS, Card
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.files.plain_path import is_pattern, plain_path
from transferkit.type_names import Tensor

__all__ = ["load_hub", "load_saved_model"]

_USUAL_SIZE = (224, 224)


def load_hub(
    handle: str,
    *,
    reference: str,
    input_size: tuple[int, int] | None = None,
    normalisation: str = "unit",
    card: Card | None = None,
) -> CallableBackbone:
    """Loads a Hub image module, by its https handle or from a local folder.

    Args:
        handle: ``https://…``, or a folder.
        reference: what the user wrote, for messages.
        input_size: height and width in pixels; where the model leaves them open, those of its card, or the
            usual ones.
        normalisation: the range that it takes pixels in; a name of :data:`transferkit.card.NORMALISATIONS`.
        card: the facts about it, where there is a card.

    Raises:
        UserError: it is unavailable, has the TF1 format, or takes no image.
    """
    if "://" not in handle:
        return load_saved_model(
            handle, reference=reference, input_size=input_size, normalisation=normalisation, card=card
        )
    try:
        hub = import_tensorflow_hub()
        folder = Path(hub.resolve(handle))
        _check_format(folder, reference)
        module = hub.load(plain_path(folder) if is_pattern(folder) else handle)
    except UserError:
        raise
    except Exception as error:
        raise UserError(_unreachable(handle, reference, error)) from error
    return _backbone(module, folder, reference, input_size, normalisation, card)


def load_saved_model(
    path: str,
    *,
    reference: str,
    input_size: tuple[int, int] | None = None,
    normalisation: str | None = None,
    card: Card | None = None,
) -> CallableBackbone:
    """Loads a SavedModel folder.

    Args:
        path: of the folder.
        reference: what the user wrote, for messages.
        input_size: height and width in pixels; where the model leaves them open, those of its card, or the
            usual ones.
        normalisation: the range that it takes pixels in, where it takes floats; a name of
            :data:`transferkit.card.NORMALISATIONS`.
        card: the facts about it, where there is a card.

    Raises:
        UserError: the folder holds none, holds one of the TF1 format, or one that takes no image; it takes
            floats, and ``normalisation`` does not say which.
    """
    folder = Path(path).expanduser()
    _check_format(folder, reference)
    try:
        module = tf.saved_model.load(plain_path(folder))
    # A file that was cut short shows itself as almost any kind of error, an IndexError among them.
    except Exception as error:
        hint = f"it cannot be read, perhaps cut short: {_first(error)}"
        raise UserError(fault("backbone", reference, "a whole SavedModel", hint)) from error
    return _backbone(module, folder, reference, input_size, normalisation, card)


@dataclass(frozen=True)
class _Entry:
    """One way to call a module: the function, its image argument, and the modes it has."""

    function: Any
    keyword: str | None
    spec: Any
    modes: frozenset[bool]

    def __call__(self, images: Tensor, training: bool) -> Tensor:
        if self.keyword is not None:
            return self.function(**{self.keyword: images})
        if not self.modes:
            return self.function(images)
        # Some modules were exported in one mode only.
        mode = training if training in self.modes else not training
        return self.function(images, training=mode)


def _backbone(
    module: Any,
    folder: Path,
    reference: str,
    input_size: tuple[int, int] | None,
    normalisation: str | None,
    card: Card | None,
) -> CallableBackbone:
    entry = _entry(module, reference)
    variables = getattr(module, "variables", None) or _captured(entry.function)
    trainable = getattr(module, "trainable_variables", None)
    if trainable is None:
        trainable = [variable for variable in variables if variable.trainable]
    kind = _normalisation(normalisation, entry, reference)
    size = _size(entry.spec, input_size, card, reference)
    called = Module(
        entry,
        entry.spec.dtype,
        tuple(variables),
        # A signature has no training mode and was exported for serving.
        tuple(trainable) if entry.keyword is None else (),
        tuple(getattr(module, "regularization_losses", None) or ()),
    )
    name = card.name if card else folder.name
    return CallableBackbone(called, Origin(name, reference, reference, of_path(folder), card), kind, size)


def _normalisation(given: str | None, entry: _Entry, reference: str) -> str:
    if given is None and entry.spec.dtype.is_integer:
        return "none"
    if given in NORMALISATIONS:
        return given
    known = ", ".join(f"{name} ({words})" for name, (_, words) in NORMALISATIONS.items())
    hint = did_you_mean(given, NORMALISATIONS) if given is not None else None
    if given is None:
        hint = (
            f"a SavedModel does not say what its pixels were in training, and {reference} takes floats, so "
            "say it: --set backbone.options.normalisation=tf"
        )
    raise UserError(fault("backbone.options.normalisation", given, f"one of {known}", hint))


def _entry(module: Any, reference: str) -> _Entry:
    """The function that takes images: the module itself, else one of its signatures."""
    seen = []
    if callable(module):
        function = module.__call__
        specs, modes = [], set()
        for concrete in getattr(function, "concrete_functions", ()):
            positional, named = concrete.structured_input_signature
            specs.append(positional[0] if positional else None)
            modes |= _modes([*positional[1:], *([named["training"]] if "training" in named else [])])
        seen += [str(spec) for spec in specs]
        images = [spec for spec in specs if _is_image(spec)]
        if images:
            return _Entry(module, None, images[0], frozenset(modes))
    for name, function in getattr(module, "signatures", {}).items():
        _, named = function.structured_input_signature
        seen.append(f"{name}({', '.join(f'{key}: {_brief(spec)}' for key, spec in named.items())})")
        if len(named) == 1 and _is_image(next(iter(named.values()))):
            keyword, spec = next(iter(named.items()))
            return _Entry(function, keyword, spec, frozenset())
    raise UserError(
        fault(
            "backbone",
            reference,
            "a module that takes images [N, height, width, 3]",
            f"it takes {'; '.join(seen) if seen else 'nothing that can be called'}",
        )
    )


def _brief(spec: Any) -> str:
    return f"{spec.dtype.name} {spec.shape}" if isinstance(spec, tf.TensorSpec) else str(spec)


def _modes(arguments: list[Any]) -> set[bool]:
    """The values of ``training`` that a call with these further arguments stands for."""
    modes: set[bool] = set()
    for argument in arguments:
        if isinstance(argument, bool):
            modes.add(argument)
        elif isinstance(argument, tf.TensorSpec) and argument.dtype == tf.bool:
            modes |= {True, False}
    return modes


def _is_image(spec: Any) -> bool:
    if not isinstance(spec, tf.TensorSpec) or spec.dtype not in (tf.float32, tf.float16, tf.uint8):
        return False
    # Of an unknown number of axes is what an exporter wrote that did not look: the first call decides.
    return spec.shape.rank is None or (spec.shape.rank == 4 and spec.shape[-1] in (3, None))


def _size(spec: Any, wanted: tuple[int, int] | None, card: Card | None, reference: str) -> tuple[int, int]:
    if spec.shape.rank == 4:
        if spec.shape[0] is not None:
            raise UserError(
                fault(
                    "backbone", reference, "any number of images at once", f"it takes exactly {spec.shape[0]}"
                )
            )
        height, width = spec.shape[1:3]
        if height is not None and width is not None:
            if wanted and tuple(wanted) != (height, width):
                raise UserError(
                    fault("backbone.input_size", list(wanted), f"[{height}, {width}], the module's own")
                )
            return (height, width)
    return wanted or (card.size if card else _USUAL_SIZE)


def _captured(function: Any) -> list[Any]:
    """The variables behind a function, for a module that does not list them."""
    call = (
        function.__call__
        if isinstance(function, tf.Module) or not hasattr(function, "variables")
        else function
    )
    concretes = getattr(call, "concrete_functions", [function])
    found = {id(variable): variable for one in concretes for variable in getattr(one, "variables", ())}
    return list(found.values())


def _check_format(folder: Path, reference: str) -> None:
    if not folder.is_dir():
        raise UserError(fault("backbone", reference, "a folder with a SavedModel", f"no folder {folder}"))
    if (folder / "tfhub_module.pb").exists():
        raise UserError(_tf1(reference, "it is a module for hub.Module"))
    if not any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
        raise UserError(fault("backbone", reference, "a folder with saved_model.pb", f"{folder} has none"))
    binary = folder / "saved_model.pb"
    if binary.is_file():
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

        from transferkit.private.tensorflow_names import SavedModel

        try:
            saved = SavedModel.FromString(binary.read_bytes())
        except DecodeError as error:
            hint = f"saved_model.pb cannot be read, perhaps cut short: {_first(error)}"
            raise UserError(fault("backbone", reference, "a whole SavedModel", hint)) from error
        if not any(graph.HasField("object_graph_def") for graph in saved.meta_graphs):
            raise UserError(_tf1(reference, "its SavedModel has no objects"))


def _tf1(reference: str, reason: str) -> str:
    return fault(
        "backbone",
        reference,
        "a TF2 SavedModel",
        f"this one has the TF1 format ({reason}), whose graphs cannot be called from TensorFlow 2; "
        "take a newer version of the module, most have one",
    )


def _unreachable(handle: str, reference: str, error: Exception) -> str:
    cache = os.environ.get("TFHUB_CACHE_DIR")
    # Where TensorFlow Hub looks: a folder by the hash of the handle.
    place = (
        Path(cache or Path(tempfile.gettempdir()) / "tfhub_modules")
        / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
    )
    where = f"TFHUB_CACHE_DIR is {cache}" if cache else "TFHUB_CACHE_DIR is not set"
    where = f"it is not at {place}; {where}"
    return fault(
        "backbone",
        reference,
        "a module that can be fetched or is cached",
        f"{handle} is unavailable ({_first(error)[:160]}; {where}). Fetch it where there is a network with "
        "TFHUB_CACHE_DIR set and bring that folder here, or unpack it and name the folder: hub:PATH",
    )


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
