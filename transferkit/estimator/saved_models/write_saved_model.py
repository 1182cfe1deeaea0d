"""Writes a SavedModel that needs neither Keras nor the model_fn to load: whole, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints.warm_start import prefix_of
from transferkit.estimator.engine import Engine
from transferkit.estimator.graph.functions import GraphFunction
from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.tables import captured_resources, check_tables
from transferkit.estimator.spec import ModeKeys
from transferkit.private.tensorflow_names import SavedModel
from transferkit.type_names import Variable

__all__ = ["check_graph", "export_saved_model", "trained", "write_whole"]

_METHODS = {
    "predict": "tensorflow/serving/predict",
    "classify": "tensorflow/serving/classify",
    "regress": "tensorflow/serving/regress",
}


def export_saved_model(
    engine: Engine,
    base: str,
    receiver_fn: Callable[[], Any],
    assets_extra: Mapping[str, str] | None,
    as_text: bool,
    checkpoint_path: str | None,
) -> str:
    """Exports the PREDICT graph behind what ``receiver_fn`` receives.

    Args:
        engine: whose model.
        base: the folder in which a folder named by the time in seconds is made.
        receiver_fn: gives a ServingInputReceiver.
        assets_extra: target below ``assets.extra`` -> file to copy there.
        as_text: whether the graph is written as text.
        checkpoint_path: whose weights; None takes the present ones.

    Returns:
        The folder.

    Raises:
        ValueError: where there are no trained weights, or the receiver or the outputs do not fit.
    """

    def write(temporary: str) -> None:
        module = tf.train.Checkpoint()
        signatures, methods, traced = _signatures(engine, receiver_fn, module)
        with engine.weights_of(trained(engine, checkpoint_path), traced):
            tf.saved_model.save(module, temporary, signatures=signatures)
        _set_methods(temporary, methods)

    return write_whole(base, write, assets_extra, as_text)


def trained(engine: Engine, checkpoint_path: str | None) -> str | None:
    """The checkpoint whose weights are exported; None for the present ones.

    Before any training these are the checkpoint that it would begin from, or those of a ready Keras model.

    Raises:
        ValueError: where there are no weights to export.
    """
    if checkpoint_path is not None or engine.load_latest() is not None or engine.live or engine.ready:
        return checkpoint_path
    if engine.warm_start is None:
        raise ValueError(fault("model_dir", engine.model_dir, "a trained model", "train before exporting"))
    return prefix_of(engine.warm_start.ckpt_to_initialize_from)


def write_whole(
    base: str, write: Callable[[str], None], assets_extra: Mapping[str, str] | None, as_text: bool
) -> str:
    """Lets ``write`` fill a folder below ``base`` that then appears whole, named by the time; returns it.

    Args:
        base: folder of the exports.
        write: fills the folder that it is given.
        assets_extra: further files, path below ``assets.extra`` to source.
        as_text: also write the graph as text (``saved_model.pbtxt``).
    """
    os.makedirs(base, exist_ok=True)
    # Another process may be writing an export of the same second here.
    temporary = os.path.join(base, f"temp-{int(time.time())}-{uuid.uuid4().hex[:8]}")
    try:
        write(temporary)
        for target, source in (assets_extra or {}).items():
            place = Path(temporary, "assets.extra", target)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
        if as_text:
            _as_text(Path(temporary))
        folder = _moved(temporary, base)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _moved(temporary: str, base: str) -> str:
    """Moves a whole export to a folder named by the present second, or the next one that nobody has taken."""
    stamp = int(time.time())
    while True:
        folder = os.path.join(base, str(stamp))
        if not os.path.exists(folder):
            try:
                # Taken meanwhile by another process, it is not empty, and nothing is replaced.
                os.rename(temporary, folder)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            else:
                return folder
        stamp += 1


def _signatures(
    engine: Engine, receiver_fn: Callable[[], Any], module: Any
) -> tuple[dict[str, Any], dict[str, str], Any]:
    graph = TracedGraph("serving")
    tracker_scope = _tracking()
    with graph.as_default(), tracker_scope as tracker:
        receiver = receiver_fn()
        if not hasattr(receiver, "receiver_tensors") or not hasattr(receiver, "features"):
            raise ValueError(fault("serving_input_receiver_fn", receiver, "a ServingInputReceiver"))
        flat = tf.nest.flatten(receiver.features, expand_composites=True)
        check_graph(graph, [*flat, *tf.nest.flatten(receiver.receiver_tensors, expand_composites=True)])
        specs = tf.nest.map_structure(tf.type_spec_from_value, receiver.features)
    specs = tf.nest.map_structure(_without_name, specs)
    traced = engine.traced(ModeKeys.PREDICT, (specs, None))
    check_tables(traced.graph)
    outputs = traced.spec.export_outputs or {}
    signatures, methods = {}, {}
    receivers = [(None, receiver.receiver_tensors), *(receiver.receiver_tensors_alternatives or {}).items()]
    for alternative, tensors in receivers:
        for name, output in outputs.items():
            key = name if alternative is None else f"{alternative}:{name}"
            strings = [t for t in tensors.values() if t.dtype == tf.string]
            methods[key] = output.method if len(strings) == len(tensors) == 1 else "predict"
            # A model server's Classify and Regress look for the examples under this name.
            received = tensors if methods[key] == "predict" else {"inputs": strings[0]}
            signatures[key] = _serve(graph, traced, received, flat, output.outputs)
    module.variables = [
        variable for variable in engine.store.saved.values() if _used(traced, graph, variable)
    ]
    made = [r for kept in (*traced.kept, tracker) for r in kept.resources]
    module.resources = [*made, *captured_resources((traced.graph, graph), made)]
    module.functions = list(signatures.values())
    return signatures, methods, traced


def _serve(
    graph: TracedGraph, traced: Any, tensors: Mapping[str, Any], features: list[Any], outputs: Any
) -> Any:
    """The function of one signature: receiver tensors by name -> outputs by name."""
    model = traced.function(list(outputs.values()), effects=False)
    names = list(tensors)
    receive = GraphFunction(graph, [tensors[name] for name in names], features)

    def serve(**inputs: Any) -> dict[str, Any]:
        values = receive(*(inputs[name] for name in names))
        results = model(tf.constant(0, tf.int64), *values)
        return {key: tf.identity(value, name=key) for key, value in zip(outputs, results, strict=True)}

    specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in tensors.items()}
    return tf.function(serve, autograph=False).get_concrete_function(**specs)


def check_graph(graph: TracedGraph, tensors: list[Any]) -> None:
    """Raises ValueError for a tensor that the receiver function did not make."""
    for tensor in tensors:
        if getattr(tensor, "graph", None) is not graph:
            raise ValueError(
                fault(
                    "serving_input_receiver_fn",
                    tensor,
                    "tensors made in it",
                    "make placeholders and features inside of serving_input_receiver_fn, which is called in "
                    "a graph of its own",
                )
            )


def _without_name(spec: Any) -> Any:
    return tf.TensorSpec(spec.shape, spec.dtype) if isinstance(spec, tf.TensorSpec) else spec


def _used(traced: Any, graph: Any, variable: Variable) -> bool:
    handles = {id(outer) for g in (traced.graph, graph) for outer, _ in g.captures}
    parts = getattr(variable, "_values", None) or (variable,)
    return any(id(part.handle) in handles for part in parts)


def _tracking() -> Any:
    from transferkit.estimator.graph.tracing import _resource_tracker

    return _resource_tracker()


def _set_methods(folder: str, methods: Mapping[str, str]) -> None:
    """Classification and regression of serialized examples are named as such for the model server."""
    changed = {key: method for key, method in methods.items() if method != "predict"}
    if not changed:
        return
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(folder)
    for key, method in changed.items():
        updater.replace_method_name(signature_key=key, method_name=_METHODS[method])
    updater.save()


def _as_text(folder: Path) -> None:
    from google.protobuf import text_format  # type: ignore[import-untyped]

    binary = folder / "saved_model.pb"
    message = SavedModel.FromString(binary.read_bytes())
    (folder / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    binary.unlink()
    # The fingerprint is that of the binary file.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
