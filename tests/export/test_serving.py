"""An export answers TensorFlow Serving's own request formats, over REST and gRPC."""

from __future__ import annotations

import base64
import json
import re
import shutil
import urllib.error
import urllib.request

import numpy as np
import pytest

pytest.importorskip("tensorflow_serving.apis", reason="needs the messages of tensorflow-serving-api")

from .conftest import CLASSES
from .serving import Server

OUTPUTS = {"labels", "scores", "class_ids", "classes", "probabilities", "confident"}


@pytest.fixture(scope="module")
def server(artefacts, tmp_path_factory):
    """Of two versions the newer one; a third is being written."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(artefacts, folder / "2")
    shutil.copytree(artefacts, folder / "10")
    (folder / ".partial-abc").mkdir()
    with Server(folder, "flowers") as made:
        yield made


@pytest.fixture(scope="module")
def encoded(photos):
    return [photo.read_bytes() for photo in photos[:3]]


@pytest.fixture(scope="module")
def wanted(server, encoded):
    import tensorflow as tf

    answer = server.signature("")(bytes=tf.constant(encoded))
    return {name: value.numpy() for name, value in answer.items()}


def post(server, body, path="/v1/models/flowers:predict"):
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.rest_port}{path}", json.dumps(body).encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def b64(encoded):
    return {"b64": base64.b64encode(encoded).decode()}


@pytest.mark.parametrize("named", [True, False], ids=["named", "bare"])
def test_rest_rows(named, server, encoded, wanted):
    instances = [{"bytes": b64(one)} if named else b64(one) for one in encoded]
    status, answer = post(server, {"instances": instances})
    assert status == 200, answer
    assert [set(row) for row in answer["predictions"]] == [OUTPUTS] * 3
    got = [row["probabilities"] for row in answer["predictions"]]
    np.testing.assert_allclose(got, wanted["probabilities"], atol=1e-6)
    for row in answer["predictions"]:
        assert set(row["labels"]) == set(CLASSES)
        assert row["labels"] == [CLASSES[index] for index in row["class_ids"]]
        assert row["classes"] == list(CLASSES)
        assert row["scores"] == sorted(row["probabilities"], reverse=True)
        assert isinstance(row["confident"], bool)


@pytest.mark.parametrize("named", [True, False], ids=["named", "bare"])
def test_rest_columns(named, server, encoded, wanted):
    images = [b64(one) for one in encoded]
    status, answer = post(server, {"inputs": {"bytes": images} if named else images})
    assert status == 200, answer
    assert set(answer["outputs"]) == OUTPUTS
    np.testing.assert_allclose(answer["outputs"]["probabilities"], wanted["probabilities"], atol=1e-6)


def test_rest_pixels_and_versions(server, small):
    body = {"signature_name": "images", "instances": small.images[:2].tolist()}
    status, answer = post(server, body, "/v1/models/flowers/versions/10:predict")
    assert status == 200, answer
    got = [row["probabilities"] for row in answer["predictions"]]
    np.testing.assert_allclose(got, small.wanted[:2], atol=1e-5)
    assert post(server, body, "/v1/models/flowers/versions/2:predict")[0] == 404


def test_rest_bytes_that_are_no_image_are_an_error_and_the_server_goes_on(server, encoded):
    status, answer = post(server, {"instances": [b64(b"no image")]})
    assert status == 400
    assert "image" in answer["error"].lower()
    assert post(server, {"instances": [b64(encoded[0])]})[0] == 200


def test_no_output_is_a_string_that_rest_would_encode(wanted):
    assert {name for name, value in wanted.items() if value.dtype == object} == {"labels", "classes"}
    assert not any(name.endswith("_bytes") for name in wanted)


def test_grpc(server, encoded, wanted):
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "flowers"
        request.model_spec.signature_name = "serving_default"
        request.inputs["bytes"].CopyFrom(tf.make_tensor_proto(encoded, shape=[len(encoded)]))
        response = stub.Predict(request, timeout=30)
        assert response.model_spec.version.value == 10
        assert set(response.outputs) == OUTPUTS
        got = tf.make_ndarray(response.outputs["probabilities"])
        np.testing.assert_allclose(got, wanted["probabilities"], atol=1e-6)
        best = [row[0].decode() for row in tf.make_ndarray(response.outputs["labels"])]
        assert best == [CLASSES[index] for index in got.argmax(1)]

        request.output_filter.append("labels")
        assert set(stub.Predict(request, timeout=30).outputs) == {"labels"}

        request.inputs["bytes"].CopyFrom(tf.make_tensor_proto([b"no image"], shape=[1]))
        with pytest.raises(grpc.RpcError) as error:
            stub.Predict(request, timeout=30)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_request_that_report_and_guide_show_is_answered(server, encoded):
    from pathlib import Path

    from transferkit.report import ExportFacts
    from transferkit.report.usage import serving_usage

    guide = (Path(__file__).parents[2] / "docs" / "guides" / "serving.md").read_text()
    for text in (serving_usage(ExportFacts("runs/flowers/export", "flowers")), guide):
        ((before, after),) = re.findall(r"\(printf '([^']*)'; base64 <.*?printf '([^']*)'\)", text)
        path = re.search(r"localhost:8501(\S+:predict)", text)[1]
        body = json.loads(before + base64.b64encode(encoded[0]).decode() + after)
        status, answer = post(server, body, path)
        assert status == 200, answer
