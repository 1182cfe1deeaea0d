"""``transferkit inspect`` on each kind of place."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from transferkit.cli.inspection.inspect import command
from transferkit.errors import UserError
from transferkit.export.formats import find_artefacts, load_format
from transferkit.export.inspect import inspect_export

from .conftest import CLASSES


def test_a_version_shows_all_its_formats_and_how_they_were_checked(artefacts, tmp_path):
    version = tmp_path / "7"
    shutil.copytree(artefacts, version)
    row = {
        "format": "tflite", "passed": True, "images": 16, "agreement": 1.0, "largest_difference": 2e-6,
        "tolerance": {"difference": 1e-4, "agreement": 1.0},
    }  # fmt: skip
    (version / "parity.json").write_text(json.dumps({"artefacts": [row]}))
    found = {one.format: one for one in inspect_export(tmp_path)}
    assert set(found) == set(find_artefacts(version))
    assert found["tflite"].parity == row
    assert found["saved_model"].parity is None
    for one in found.values():
        assert one.labels == CLASSES
        assert one.bytes > 100_000
        assert one.path in one.usage
    shown = CliRunner().invoke(command, [str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    for words in (
        "serving_default",
        "bytes",
        "string",
        "[?, 128, 128, 3]",
        "Löwenzahn",
        "below 0.",
        "2.0e-06",
    ):
        assert words in shown.output
    assert "not checked" in shown.output


@pytest.mark.parametrize("name", ["keras", "tflite", "tflite_int8", "saved_model"])
def test_one_file_as_json(name, artefacts):
    place = find_artefacts(artefacts)[name]
    done = CliRunner().invoke(command, [str(place / "" if name == "saved_model" else place), "--json"])
    facts = json.loads(done.output)
    one = next(one for one in facts if one["format"] == name)
    assert one["labels"] == list(CLASSES)
    assert one["about"]["input_size"] == [128, 128]
    assert one["signatures"]


def test_a_renamed_file_is_known_by_its_ending(artefacts, tmp_path):
    shutil.copy(artefacts / load_format("tflite_int8").FILE, tmp_path / "mine.tflite")
    (one,) = inspect_export(tmp_path / "mine.tflite")
    assert one.labels == CLASSES


@pytest.mark.parametrize("name", ["model.keras", "model.tflite"])
def test_what_is_no_export_says_so_in_one_line(name, tmp_path):
    (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(UserError, match="transferkit export"):
        inspect_export(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="a run, an export, or a file of one"):
        inspect_export(tmp_path / "empty")
    with pytest.raises(UserError, match="no such file"):
        inspect_export(tmp_path / "absent")
