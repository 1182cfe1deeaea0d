"""What a run hands over: every format checked, calibrated, counted up, refused where wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

import transferkit
from transferkit.errors import GateError, UserError
from transferkit.evaluation import read_predictions

FAST = {"epochs": 2, "data.test": 0.2, "data.validation": 0.2, "evaluation.grad_cam": 0}


def retrain(data, run, **settings):
    values = {**FAST, **settings}
    return transferkit.retrain(
        data=data, run=run, backbone="embedded", quiet=True, overrides=list(values.items())
    )


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    return retrain(
        shapes,
        tmp_path_factory.mktemp("runs") / "shapes",
        **{
            "export.formats": ["keras", "tflite", "tflite_int8"],
            "export.agreement": 0.7,
            "evaluation.calibrate": "temperature",
            "evaluation.precision": 0.5,
        },
    )


def test_every_format_was_checked_and_lies_in_the_version(run):
    from transferkit.export.formats import find_artefacts
    from transferkit.export.variants import VARIANTS

    version = run.path / "export" / "1"
    assert set(find_artefacts(version)) == {"saved_model", "keras", "tflite", "tflite_int8"}
    parity = json.loads((run.path / "parity.json").read_text())
    assert parity == json.loads((version / "parity.json").read_text())
    rows = {row["format"]: row for row in parity["artefacts"]}
    assert set(rows) == {"saved_model", "keras", "tflite", "tflite_int8"}
    assert all(row["passed"] and row["class_order"] for row in rows.values())
    for name in ("saved_model", "keras", "tflite"):
        assert rows[name]["largest_difference"] <= 1e-4
        assert rows[name]["images"] == 10 + len(VARIANTS)
    assert rows["tflite_int8"]["images"] == run.summary["images"]["test"]
    assert parity["variants"] == sorted(one.name for one in VARIANTS)
    assert parity["variants_left_out"] == {}
    assert parity["evaluation"]["largest_difference"] <= 1e-4
    assert not [path for path in (run.path / "export").iterdir() if path.name != "1"]
    assert run.refused == {}
    assert "TFLite, full int8" in (run.path / "report.html").read_text()


def test_the_temperature_is_in_the_evaluation_and_in_the_export(run, shapes):
    import tensorflow as tf

    found = run.calibrated
    assert found.temperature.temperature != 1
    assert found.temperature.log_loss_after <= found.temperature.log_loss_before
    assert found.abstention.precision >= 0.5
    model = tf.saved_model.load(str(run.export_folder))
    given = read_predictions(run.path / "predictions.csv")
    encoded = [(shapes / path).read_bytes() for path in given.paths]
    answer = model.signatures["serving_default"](bytes=tf.constant(encoded))
    np.testing.assert_allclose(answer["probabilities"].numpy(), given.probabilities, atol=1e-4)
    sure = answer["probabilities"].numpy().max(1) >= np.float32(found.abstention.threshold)
    assert answer["confident"].numpy().tolist() == sure.tolist()
    assert [
        not one.abstained for one in run.predict([shapes / path for path in given.paths])
    ] == sure.tolist()
    assert "temperature" in run.describe()
    again = transferkit.load_run(run.path).evaluate()
    assert again.metrics["log_loss"] == pytest.approx(run.metrics["log_loss"], abs=1e-6)


def test_an_export_is_made_again_from_the_weights_in_other_formats(run, tmp_path):
    loaded = transferkit.load_run(run.path)
    first = loaded.export(tmp_path / "served", formats=["tflite_float16"])
    second = loaded.export(tmp_path / "served", formats=[], parity=False)
    assert [first.name, second.name] == ["1", "2"]
    assert (first / "model_float16.tflite").is_file()
    assert (first / "README.md").read_text() == (run.export_folder / "README.md").read_text()
    rows = json.loads((first / "parity.json").read_text())["artefacts"]
    assert {row["format"]: row["passed"] for row in rows} == {"saved_model": True, "tflite_float16": True}
    assert not (second / "parity.json").exists()
    with pytest.raises(UserError, match="did you mean 'tflite'"):
        loaded.export(tmp_path / "served", formats=["tflit"])
    assert len(list((tmp_path / "served").iterdir())) == 2


@pytest.mark.slow
def test_photos_that_moved_are_asked_for_and_found_where_they_are(make_shapes, tmp_path):
    data = make_shapes(12)
    run = retrain(data, tmp_path / "run", epochs=1)
    data.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"--data DIR, or leave the check out with --no-parity"):
        run.export()
    assert run.export(data=tmp_path / "elsewhere").name == "2"
    assert run.export(parity=False).name == "3"


@pytest.fixture
def wrong_tflite(monkeypatch):
    """A converter that turns the classes round: the kind of thing that nobody notices."""
    from transferkit.export.formats import _tflite, tflite

    class Turning:
        def __init__(self, export_spec):
            self.about, self.variables = export_spec.about, export_spec.variables
            self._subject = export_spec

        def probabilities(self, images):
            import tensorflow as tf

            return tf.reverse(self._subject.probabilities(images), [1])

    monkeypatch.setattr(
        tflite,
        "write",
        lambda export_spec, path: _tflite.save(_tflite.convert(Turning(export_spec)), export_spec, path),
    )


@pytest.mark.slow
def test_a_refused_format_is_left_out_and_nothing_else_is_lost(make_shapes, tmp_path, wrong_tflite):
    with pytest.raises(
        GateError, match=r"(?s)export tflite: refused: .*differs by.*1e-04.*else is whole"
    ) as error:
        retrain(make_shapes(12), tmp_path / "run", **{"epochs": 1, "export.formats": ["tflite"]})
    assert error.value.exit_code == 1
    run = transferkit.load_run(tmp_path / "run")
    assert set(run.refused) == {"tflite"}
    assert (run.export_folder / "saved_model.pb").is_file()
    assert not (run.export_folder / "model.tflite").exists()
    rows = json.loads((run.path / "parity.json").read_text())["artefacts"]
    assert {row["format"]: row["passed"] for row in rows} == {"saved_model": True, "tflite": False}
    assert (run.path / "weights.npz").is_file()
    assert "refused" in (run.path / "report.html").read_text()
    assert run.predict([next((tmp_path / "photos" / "cross").iterdir())])[0].error is None
    # Who wants it nevertheless can have it.
    assert (run.export(formats=["tflite"], parity=False) / "model.tflite").is_file()


@pytest.mark.slow
def test_without_a_sound_saved_model_there_is_a_run_but_no_export(make_shapes, tmp_path, monkeypatch):
    from transferkit.export.formats import saved_model

    write = saved_model.write

    def without_variables(export_spec, path):
        write(export_spec, path)
        (path / "variables" / "variables.data-00000-of-00001").unlink()

    monkeypatch.setattr(saved_model, "write", without_variables)
    with pytest.raises(GateError, match="saved_model: refused: it cannot be loaded"):
        retrain(make_shapes(12), tmp_path / "run", epochs=1)
    run = transferkit.load_run(tmp_path / "run")
    assert not (run.path / "export").exists()
    assert run.metrics["accuracy"] >= 0
    assert run.summary["export"] is None
    assert str(run.path) in run.describe()
    monkeypatch.undo()
    assert (run.export() / "saved_model.pb").is_file()


@pytest.mark.slow
def test_a_precision_that_cannot_be_had_is_said_at_the_end(noise, tmp_path):
    with pytest.raises(GateError, match=r"evaluation\.precision: received 0\.999.*the best is"):
        retrain(noise, tmp_path / "run", **{"epochs": 1, "evaluation.precision": 0.999})
    run = transferkit.load_run(tmp_path / "run")
    assert run.calibrated.abstention is None
    assert (run.export_folder / "saved_model.pb").is_file()


def test_parity_can_be_left_out_and_then_starts_no_process(make_shapes, tmp_path, monkeypatch):
    from transferkit.runs.release import publish as release

    def refuse(formats):
        raise AssertionError("no checker was wanted")

    monkeypatch.setattr(release, "Checker", refuse)
    run = retrain(make_shapes(12), tmp_path / "run", **{"epochs": 1, "export.parity": False})
    assert (run.export_folder / "saved_model.pb").is_file()
    assert not (run.export_folder / "parity.json").exists()
