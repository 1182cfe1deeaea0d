"""The same requests and answers as TensorFlow Serving's REST, for each format."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from .conftest import CLASSES, COLOURS, SIDE, encoded

OUTPUTS = {"labels", "scores", "class_ids", "classes", "probabilities", "confident", "novelty", "unknown"}
PREDICT = "/v1/models/colours:predict"


def b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


@pytest.fixture(scope="module")
def pictures():
    return [encoded("light"), encoded("dark", "JPEG"), encoded("a red/öne", "WEBP", (7, 90))]


@pytest.fixture(scope="module")
def wanted(version, pictures):
    import tensorflow as tf

    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.pixels.transcode import readable_in_graph

    model = tf.saved_model.load(str(version))
    readable = [readable_in_graph(one, Decoding((SIDE, SIDE))) for one in pictures]
    answer = model.signatures["serving_default"](bytes=tf.constant(readable))
    return {name: value.numpy() for name, value in answer.items()}


@pytest.mark.parametrize("named", [True, False], ids=["named", "bare"])
def test_rows_are_answered_as_the_saved_model_answers(server, pictures, wanted, named):
    instances = [{"bytes": b64(one)} if named else b64(one) for one in pictures]
    status, answer, headers = server.ask(PREDICT, {"instances": instances})
    assert status == 200, answer
    assert headers.get_content_type() == "application/json"
    rows = answer["predictions"]
    assert [set(row) for row in rows] == [OUTPUTS] * 3
    for name, values in wanted.items():
        got = np.array([row[name] for row in rows])
        if values.dtype == object:
            assert got.tolist() == [[one.decode() for one in row] for row in values]
        else:
            np.testing.assert_allclose(got, values, atol=1e-6)
    assert [row["labels"][0] for row in rows] == ["light", "dark", "a red/öne"]


@pytest.mark.parametrize("named", [True, False], ids=["named", "bare"])
def test_columns_are_too(server, pictures, wanted, named):
    images = [b64(one) for one in pictures]
    body = {"signature_name": "serving_default", "inputs": {"bytes": images} if named else images}
    status, answer, _ = server.ask("/v1/models/colours/versions/3:predict", body)
    assert status == 200, answer
    assert set(answer["outputs"]) == OUTPUTS
    np.testing.assert_allclose(answer["outputs"]["probabilities"], wanted["probabilities"], atol=1e-6)


@pytest.mark.parametrize("named", [True, False], ids=["named", "bare"])
def test_pixels_of_any_size_are_answered_like_their_files(server, named):
    pixels = np.zeros((9, 21, 3), np.uint8) + np.array(COLOURS["a red/öne"], np.uint8)
    instances = [{"images": pixels.tolist()} if named else pixels.tolist()]
    status, answer, _ = server.ask(PREDICT, {"signature_name": "images", "instances": instances})
    assert status == 200, answer
    assert answer["predictions"][0]["labels"][0] == "a red/öne"


def test_status_and_metadata(server, version):
    status, answer, _ = server.ask("/v1/models/colours")
    assert (status, answer["model_version_status"][0]["version"]) == (200, "3")
    assert answer["model_version_status"][0]["state"] == "AVAILABLE"
    status, answer, _ = server.ask("/v1/models/colours/versions/3/metadata")
    assert (status, answer["model_spec"]["name"]) == (200, "colours")
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "images"}
    assert set(signatures["images"]["outputs"]) == OUTPUTS


def test_metadata_states_what_the_saved_model_s_signatures_are(server, version):
    import tensorflow as tf

    model = tf.saved_model.load(str(version))
    _, answer, _ = server.ask("/v1/models/colours/metadata")
    for name, told in answer["metadata"]["signature_def"]["signature_def"].items():
        outputs = model.signatures[name].structured_outputs
        for output, spec in outputs.items():
            kind = tf.dtypes.DType(spec.dtype.as_datatype_enum)
            assert told["outputs"][output]["dtype"] == f"DT_{kind.name.upper()}".replace(
                "FLOAT32", "FLOAT"
            ), output
            assert len(told["outputs"][output]["tensor_shape"]["dim"]) == spec.shape.rank, output


def answers_alike(server, pictures, wanted, outputs) -> None:
    """The labels, probabilities and outputs of the SavedModel, by rows and by columns."""
    images = [b64(one) for one in pictures]
    for body in ({"instances": images}, {"inputs": images}):
        status, answer, _ = server.ask(PREDICT, body)
        assert status == 200, answer
        rows = answer.get("predictions") or [
            dict(zip(answer["outputs"], values, strict=True))
            for values in zip(*answer["outputs"].values(), strict=True)
        ]
        assert [set(row) for row in rows] == [outputs] * 3
        np.testing.assert_allclose([row["probabilities"] for row in rows], wanted["probabilities"], atol=1e-5)
        assert [row["labels"][0] for row in rows] == ["light", "dark", "a red/öne"]
        assert [row["confident"] for row in rows] == wanted["confident"].tolist()
    _, answer, _ = server.ask("/v1/models/colours/metadata")
    assert set(answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"]) == outputs
    status, told, _ = server.ask("/photo/labels", pictures[2])
    assert (status, told["top"][0]["label"]) == (200, "a red/öne")
    status, answer, _ = server.ask(PREDICT, {"instances": [images[0], b64(b"no image")]})
    assert (status, answer["error"][:13]) == (400, "instances[1]:")
    server.close()


@pytest.mark.parametrize("file", ["model.tflite", "model.keras"])
def test_other_formats_answer_in_the_same_way(start, version, pictures, wanted, file):
    answers_alike(start(version / file), pictures, wanted, OUTPUTS - {"novelty", "unknown"})


@pytest.mark.extra
def test_onnx_answers_in_the_same_way_and_says_what_is_unknown(start, spec, pictures, wanted, tmp_path):
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package, reason="needs transferkit[onnx]")
    from transferkit.export.formats import onnx

    onnx.write(spec, tmp_path / onnx.FILE)
    server = start(tmp_path / onnx.FILE)
    _, answer, _ = server.ask(PREDICT, {"inputs": [b64(one) for one in pictures]})
    np.testing.assert_allclose(answer["outputs"]["novelty"], wanted["novelty"], atol=1e-5)
    assert answer["outputs"]["unknown"] == wanted["unknown"].tolist()
    answers_alike(server, pictures, wanted, OUTPUTS)


WRONG = [
    (b"{", 400, "not JSON"),
    (b"[" * 100_000, 400, "not JSON"),
    (b"\xff\xfe\x00", 400, "not JSON"),
    ([], 400, "a list"),
    ({}, 400, "neither"),
    ({"instances": [], "inputs": []}, 400, "instances and inputs"),
    ({"instances": []}, 400, "an empty list"),
    ({"instances": "x"}, 400, "a string"),
    ({"instances": [1]}, 400, "a number"),
    ({"instances": [None]}, 400, "null"),
    ({"instances": [{"b64": 1}]}, 400, "b64"),
    ({"instances": [{"b64": "!"}]}, 400, "base64"),
    ({"instances": [{"image": {"b64": ""}}]}, 400, "'image'"),
    ({"instances": [{"b64": ""}]}, 400, "no bytes"),
    ({"instances": [b64(b"no image")]}, 400, "instances[0]"),
    ({"inputs": {"bytes": b64(b"x")}}, 400, "a list"),
    ({"instances": [{"b64": ""}], "signature_name": "x"}, 400, "signature_name"),
    ({"instances": [{"b64": ""}], "signature_name": 1}, 400, "signature_name"),
    ({"instances": [{"b64": ""}], "signature": "images"}, 400, "'signature'"),
    ({"instances": [[[1, 2]]], "signature_name": "images"}, 400, "shape"),
    ({"instances": [[[[1, 2, 300]]]], "signature_name": "images"}, 400, "0 to 255"),
    ({"instances": [[[[1, 2, 0.5]]]], "signature_name": "images"}, 400, "0 to 255"),
    ({"instances": [[[[1, 2, 3]], [[1, 2]]]], "signature_name": "images"}, 400, "differ in length"),
    ({"instances": [[[[10**30, 2, 3]]]], "signature_name": "images"}, 400, "[0]"),
]


@pytest.mark.parametrize(("body", "status", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_request_is_answered_with_what_was_expected(server, body, status, words):
    got, answer, _ = server.ask(PREDICT, body)
    assert got == status, answer
    assert set(answer) == {"error"}
    assert words in answer["error"]


def test_one_bad_image_is_named_by_its_place(server, pictures):
    _, answer, _ = server.ask(PREDICT, {"inputs": [b64(pictures[0]), b64(b"GIF89a"), b64(pictures[1])]})
    assert answer["error"].startswith("inputs[1]: ")


PATHS = [
    ("GET", "/v1/models/other", 404),
    ("GET", "/v1/models/colours2", 404),
    ("GET", "/v1/models/colours/versions/2", 404),
    ("GET", "/v1/models/colours/labels/stable", 404),
    ("POST", "/v1/models/colours/versions/4:predict", 404),
    ("POST", "/v1/models/colours:classify", 501),
    ("GET", "/v1/models/colours:predict", 405),
    ("POST", "/v1/models/colours/metadata", 405),
    ("PUT", "/v1/models/colours:predict", 405),
    ("GET", "/etc/passwd", 404),
    ("GET", "/v1/models", 404),
    ("GET", "/healthz/", 404),
    ("GET", "/../../etc/passwd", 404),
    ("POST", "/healthz", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_other_paths_are_answered_in_json_too(server, method, path, status):
    got, answer, _ = server.ask(path, b"{}" if method != "GET" else None, method)
    assert got == status, answer
    assert json.dumps(answer["error"])


def test_the_classes_are_those_of_the_export(server):
    _, answer, _ = server.ask("/facts")
    assert answer["classes"] == list(CLASSES)
    assert answer["version"] == 3
