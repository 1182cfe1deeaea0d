"""A server that speaks TensorFlow Serving's REST and gRPC to one folder of versions, as its documents say.

It takes the highest version, calls the SavedModel's signatures and nothing of transferkit's. What it holds
requests to is TensorFlow Serving's: the row and the column format, ``{"b64": …}`` for bytes, outputs of which
the names end in ``_bytes`` encoded in their turn.
"""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Server:
    """Serves ``folder`` under ``name`` on two loopback ports while it is open."""

    def __init__(self, folder: Path, name: str) -> None:
        numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
        self.version = max(numbers)
        self.name = name
        self.model = tf.saved_model.load(str(folder / str(self.version)))
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = server.rest(self.path, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.rest_port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self._grpc = grpc.server(ThreadPoolExecutor(2))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Servicer(self), self._grpc)
        self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: Any) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None)

    def rest(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        known = (f"/v1/models/{self.name}:predict", f"/v1/models/{self.name}/versions/{self.version}:predict")
        if path not in known:
            return 404, {"error": f"Servable not found for request: {path}"}
        try:
            signature = self.signature(body.get("signature_name", ""))
            specs = signature.structured_input_signature[1]
            rows = "instances" in body
            if rows == ("inputs" in body):
                raise ValueError("expected one of instances and inputs")
            given = _columns(body["instances"], specs) if rows else _named(body["inputs"], specs)
            inputs = {name: tf.constant(_bytes(given[name]), specs[name].dtype) for name in specs}
            outputs = {name: value.numpy() for name, value in signature(**inputs).items()}
        except (KeyError, ValueError, TypeError, tf.errors.OpError) as error:
            return 400, {"error": str(error)}
        told = {name: _json(name, value) for name, value in outputs.items()}
        if not rows:
            return 200, {"outputs": told if len(told) > 1 else next(iter(told.values()))}
        count = len(next(iter(told.values())))
        lines = [{name: value[row] for name, value in told.items()} for row in range(count)]
        return 200, {"predictions": lines if len(told) > 1 else [next(iter(line.values())) for line in lines]}

    def signature(self, name: str) -> Any:
        return self.model.signatures[name or "serving_default"]


def _columns(instances: list[Any], specs: dict[str, Any]) -> dict[str, list[Any]]:
    """The row format: an object for each instance, or its value alone where there is one input."""
    if len(specs) == 1 and not all(isinstance(one, dict) and set(one) == set(specs) for one in instances):
        return {next(iter(specs)): instances}
    return {name: [one[name] for one in instances] for name in specs}


def _named(inputs: Any, specs: dict[str, Any]) -> dict[str, Any]:
    """The column format: an object of inputs, or the value alone where there is one."""
    if isinstance(inputs, dict) and set(inputs) == set(specs):
        return inputs
    if len(specs) != 1:
        raise ValueError(f"expected the inputs {sorted(specs)}")
    return {next(iter(specs)): inputs}


def _bytes(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) != {"b64"}:
            raise ValueError(f"an object with the keys {sorted(value)} is no value")
        return base64.b64decode(value["b64"], validate=True)
    return [_bytes(one) for one in value] if isinstance(value, list) else value


def _json(name: str, value: np.ndarray) -> list[Any]:
    if value.dtype != object:
        return value.tolist()

    def told(one: Any) -> Any:
        if isinstance(one, list):
            return [told(inner) for inner in one]
        return {"b64": base64.b64encode(one).decode()} if name.endswith("_bytes") else one.decode("utf-8")

    return told(value.tolist())


class _Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server: Server) -> None:
        self._server = server

    def Predict(self, request: Any, context: Any) -> Any:
        spec = request.model_spec
        if spec.name != self._server.name or (
            spec.HasField("version") and spec.version.value != self._server.version
        ):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {spec.name}")
        signature = self._server.signature(spec.signature_name)
        try:
            inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
            outputs = signature(**inputs)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = self._server.version
        response.model_spec.signature_name = spec.signature_name or "serving_default"
        wanted = list(request.output_filter) or sorted(outputs)
        for name in wanted:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name].numpy()))
        return response
