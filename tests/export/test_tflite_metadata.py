"""The metadata that MediaPipe and ML Kit read is in each TFLite file; MediaPipe answers as the model."""

from __future__ import annotations

import sys
import zipfile

import numpy as np
import pytest
from flatbuffers import number_types
from flatbuffers.table import Table

from transferkit.export.formats._tflite_metadata import METADATA, with_metadata
from transferkit.export.formats._zipped import LABELS
from transferkit.private.tensorflow_names import tflite_schema

from .conftest import CLASSES

FILES = ("model.tflite", "model_float16.tflite", "model_dynamic.tflite", "model_int8.tflite")


def read(table: Table, field: int, kind: str):
    """A field by its number: ``table``, ``tables``, ``text``, ``floats`` or the name of a scalar's type."""
    at = table.Offset(4 + 2 * field)
    if not at:
        return None
    place = at + table.Pos
    if kind in ("text", "table"):
        return table.String(place).decode() if kind == "text" else Table(table.Bytes, table.Indirect(place))
    if kind == "floats":
        return table.GetVectorAsNumpy(number_types.Float32Flags, at).tolist()
    if kind == "tables":
        start, count = table.Vector(at), table.VectorLen(at)
        return [Table(table.Bytes, table.Indirect(start + 4 * number)) for number in range(count)]
    return table.Get(getattr(number_types, f"{kind}Flags"), place)


def metadata_of(content: bytes) -> Table:
    model = tflite_schema().Model.GetRootAs(content, 0)
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    (buffer,) = [one.Buffer() for one in entries if one.Name() == METADATA.encode()]
    found = model.Buffers(buffer).DataAsNumpy().tobytes()
    assert found[4:8] == b"M001"
    return Table(bytearray(found), int.from_bytes(found[:4], "little"))


@pytest.mark.parametrize("name", FILES)
def test_each_file_says_what_goes_in_and_which_file_names_the_classes(artefacts, small, name):
    content = (artefacts / name).read_bytes()
    model = metadata_of(content)
    assert read(model, 7, "text") == "1.0.0"
    (graph,) = read(model, 3, "tables")
    (image,), (probabilities,) = read(graph, 2, "tables"), read(graph, 3, "tables")
    content_of = read(image, 3, "table")
    assert (read(content_of, 0, "Uint8"), read(read(content_of, 1, "table"), 0, "Int8")) == (2, 1)  # RGB
    (unit,) = read(image, 4, "tables")
    assert read(unit, 0, "Uint8") == 1
    options = read(unit, 1, "table")
    assert (read(options, 0, "floats"), read(options, 1, "floats")) == ([0.0], [1.0])
    (threshold,) = read(probabilities, 4, "tables")
    assert read(threshold, 0, "Uint8") == 3
    assert read(read(threshold, 1, "table"), 0, "Float32") == pytest.approx(small.export_spec.about.threshold)
    (labels,) = read(probabilities, 6, "tables")
    assert (read(labels, 0, "text"), read(labels, 2, "Int8")) == (LABELS, 2)
    with zipfile.ZipFile(artefacts / name) as archive:
        # Readers take the file's bytes as they lie: compressed ones would be read as labels.
        assert archive.getinfo(LABELS).compress_type == zipfile.ZIP_STORED
        assert archive.read(LABELS).decode().splitlines() == list(CLASSES)


@pytest.mark.parametrize("name", FILES)
def test_tensors_are_those_that_ml_kit_s_custom_classifier_takes(artefacts, name):
    """One image of RGB bytes, one row of answers: https://developers.google.com/ml-kit/custom-models.

    ML Kit itself runs on phones alone; this is what its guide asks of a model.
    """
    schema = tflite_schema()
    model = schema.Model.GetRootAs((artefacts / name).read_bytes(), 0)
    assert model.SubgraphsLength() == 1
    graph = model.Subgraphs(0)
    assert (graph.InputsLength(), graph.OutputsLength()) == (1, 1)
    image, answer = graph.Tensors(graph.Inputs(0)), graph.Tensors(graph.Outputs(0))
    batch, _, _, channels = image.ShapeAsNumpy().tolist()
    assert (batch, channels, image.Type()) == (1, 3, schema.TensorType.UINT8)
    assert answer.ShapeAsNumpy().tolist() == [1, len(CLASSES)]
    assert answer.Type() == schema.TensorType.FLOAT32


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_schema_s_own_reader_finds_what_ml_kit_reads(artefacts, small, name):
    schema = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated",
        reason="needs mediapipe, which has the classes made from the schema",
        exc_type=ImportError,
    )
    content = tflite_schema().Model.GetRootAs((artefacts / name).read_bytes(), 0)
    entries = [content.Metadata(number) for number in range(content.MetadataLength())]
    (buffer,) = [one.Buffer() for one in entries if one.Name() == METADATA.encode()]
    packed = content.Buffers(buffer).DataAsNumpy().tobytes()
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(packed, 0)
    model = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(packed, 0))
    (graph,) = model.subgraphMetadata
    (image,), (answer,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert image.content.contentPropertiesType == schema.ContentProperties.ImageProperties
    assert image.content.contentProperties.colorSpace == schema.ColorSpaceType.RGB
    (unit,) = image.processUnits
    assert unit.optionsType == schema.ProcessUnitOptions.NormalizationOptions
    assert (list(unit.options.mean), list(unit.options.std)) == ([0.0], [1.0])
    (labels,) = answer.associatedFiles
    assert labels.type == schema.AssociatedFileType.TENSOR_AXIS_LABELS
    assert labels.name.decode() == LABELS
    (unit,) = answer.processUnits
    assert unit.optionsType == schema.ProcessUnitOptions.ScoreThresholdingOptions
    assert unit.options.globalScoreThreshold == pytest.approx(small.export_spec.about.threshold)


@pytest.mark.parametrize("name", FILES)
def test_weights_lie_where_the_format_demands_it(artefacts, name):
    content = np.fromfile(artefacts / name, np.uint8)
    model = tflite_schema().Model.GetRootAs(content.tobytes(), 0)
    whole = model._tab.Bytes
    start = np.frombuffer(whole, np.uint8).__array_interface__["data"][0]
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    places = [one.DataAsNumpy().__array_interface__["data"][0] for one in buffers if not one.DataIsNone()]
    assert len(places) > 10
    assert {(place - start) % 16 for place in places} == {0}


def test_it_is_there_once_however_often_it_is_written(artefacts, small):
    again = with_metadata((artefacts / "model.tflite").read_bytes(), small.export_spec.about)
    assert read(metadata_of(again), 7, "text") == "1.0.0"


@pytest.mark.extra
@pytest.mark.parametrize("name", FILES)
def test_lite_rt_and_tensorflow_s_interpreter_give_the_same_answers(artefacts, small, name, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="needs transferkit[tflite]")
    from transferkit.export.formats import _tflite, _tflite_interpreter

    file = artefacts / name
    with_litert = _tflite.read(file).answer(small.images)
    assert _tflite_interpreter._names()[0].__module__.startswith("ai_edge_litert")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert _tflite_interpreter._names()[0].__module__.startswith("tensorflow")
    np.testing.assert_allclose(_tflite.read(file).answer(small.images), with_litert, atol=2 / 256)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.tflite", "model_float16.tflite"])
def test_mediapipe_names_the_classes_as_the_model_does_and_abstains_below_its_threshold(
    artefacts, small, name
):
    mediapipe = pytest.importorskip("mediapipe", reason="needs mediapipe, which brings OpenCV along")
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(BaseOptions(model_asset_path=str(artefacts / name)))
    about = small.export_spec.about
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image, wanted in zip(small.images, small.wanted, strict=True):
            (head,) = classifier.classify(
                mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            ).classifications
            got = {one.category_name: one.score for one in head.categories}
            expected = dict(zip(CLASSES, wanted.tolist(), strict=True))
            sure = {label: value for label, value in expected.items() if value >= about.threshold}
            assert got == pytest.approx(sure, abs=5e-3)
