"""The doctor: what it finds, what it says of what is missing, and that nothing ends it."""

from __future__ import annotations

import errno
import json
import sys

import pytest

from transferkit.activations.engines import openvino_engine
from transferkit.cli import main
from transferkit.errors import UserError
from transferkit.inspection import doctor, doctor_folders, doctor_gpu, doctor_probe
from transferkit.inspection.doctor import examine
from transferkit.inspection.doctor_finding import Finding

SECTIONS = ["machine", "tensorflow", "gpu", "packages", "folders", "a run here"]


def of(found, section, name):
    (one,) = [one for one in found.findings if (one.section, one.name) == (section, name)]
    return one


@pytest.fixture(scope="module")
def found():
    return examine(probe=False)


def test_each_section_is_looked_at(found):
    assert list(dict.fromkeys(one.section for one in found.findings)) == SECTIONS
    assert found.faults == ()
    assert of(found, "machine", "cores").value.split()[0].isdigit()
    assert "GiB" in of(found, "folders", "cache").value


def test_each_extra_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(doctor, "extras", lambda: {"onnx": ["tf2onnx", "onnx>=1.17"], "serve": []})
    monkeypatch.setattr(openvino_engine, "openvino_version", lambda: "2026.0")
    rows = {one.name: one.value for one in doctor._packages()}
    assert rows["[serve]"] == "installed"
    assert rows["[onnx]"] == "not installed: tf2onnx, onnx>=1.17 (pip install 'transferkit[onnx]')"


def test_lines_have_a_heading_a_section_and_a_hint_where_there_is_one():
    findings = (
        Finding("a", "one", "x"),
        Finding("a", "three", "y", "note", "do it"),
        Finding("b", "two", "z", "fault"),
    )
    examined = doctor.Examination(findings)
    assert examined.lines() == ["a", "  one    x", "! three  y", "         -> do it", "b", "x two    z"]
    assert {line.index(end) for line, end in zip(examined.lines()[1:3], "xy", strict=True)} == {
        examined.value_column
    }
    assert examined.to_dict()["works"] is False
    assert examined.to_dict()["sections"]["b"] == [
        {"name": "two", "value": "z", "level": "fault", "hint": None}
    ]


def test_what_fails_is_a_finding(monkeypatch):
    def broken():
        yield Finding("machine", "first", "seen")
        raise RuntimeError("no such thing\nsecond line")

    monkeypatch.setattr(doctor, "_machine", broken)
    found = examine(probe=False)
    assert of(found, "machine", "first").value == "seen"
    assert of(found, "machine", "could not be examined").value == "RuntimeError: no such thing"
    assert not found.faults


def test_without_tensorflow_it_says_so_and_exits_1(monkeypatch, capsys):
    def missing():
        raise ImportError("libstdc++.so.6: cannot open")

    monkeypatch.setattr(doctor, "start_tensorflow", missing)
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--no-probe"])
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "x import" in out
    assert "libstdc++" in out
    assert "-> pip install tensorflow" in out


def test_json_is_json(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json", "--no-probe"])
    assert not ended.value.code
    assert list(json.loads(capsys.readouterr().out)["sections"]) == SECTIONS


def test_a_folder_that_cannot_be_written_names_the_setting(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    found = {one.name: one for one in doctor_folders.look_at_folders()}
    # A run is refused with the first and goes on without the second.
    assert found["cache"].level == "fault"
    assert "TRANSFERKIT_CACHE" in found["cache"].value
    assert found["Keras' weights"].level == "note"
    assert "KERAS_HOME" in str(found["Keras' weights"].hint)
    assert "cannot be written" in found["Keras' weights"].value


def test_a_cache_on_this_machine_at_a_url_is_refused_as_a_run_refuses_it(monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", "s3://bucket/cache")
    found = {one.name: one for one in doctor_folders.look_at_folders()}
    assert found["cache"].level == "fault"
    assert "activations.cache_dir=URL" in found["cache"].value


def test_a_home_that_is_not_known_hides_no_other_folder(monkeypatch, tmp_path):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TRANSFERKIT_CACHE", raising=False)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setattr("transferkit.files.cache_location._users", unknown)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    found = {one.name: one for one in doctor_folders.look_at_folders()}
    assert found["cache"].level == "note"
    assert found["Keras' weights"].value.startswith("/tmp/.keras")
    assert found["temporary"].level == "ok"


def test_what_a_run_would_compute_on_is_what_a_run_says(monkeypatch):
    def computes_on():
        (one,) = [one for one in doctor._run() if one.name == "computes on"]
        return one

    assert computes_on().value == "cpu: TensorFlow sees no GPU here"
    task = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    assert computes_on().value == "multi_worker: TF_CONFIG names 2 workers"
    monkeypatch.setenv("TF_CONFIG", "{")
    assert computes_on().level == "fault"
    assert "TF_CONFIG" in computes_on().value


def test_what_the_environment_does_to_tensorflow_is_told_without_a_wrong_command(monkeypatch):
    def refused():
        raise UserError("/x/keras.json: expected a file that can be read; or name another with KERAS_HOME")

    monkeypatch.setattr(doctor, "start_tensorflow", refused)
    (one,) = doctor._tensorflow()
    assert (one.level, one.hint) == ("fault", None)
    assert one.value.startswith("/x/keras.json: expected")


def test_a_full_disk_is_a_note(monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(doctor_folders.tempfile, "TemporaryFile", full)
    found = {one.name: one.value for one in doctor_folders.look_at_folders()}
    assert "No space left" in found["temporary"]


def test_a_card_without_its_libraries_names_them_and_the_command(monkeypatch):
    monkeypatch.setattr(doctor_gpu, "driver_version", lambda: "550.1")
    monkeypatch.setattr(doctor_gpu, "cards", lambda: ["NVIDIA A, 24 GiB, 8.6"])
    monkeypatch.setattr(doctor_gpu, "missing_libraries", lambda build: ["libcudnn"])
    found = examine(probe=False)
    assert of(found, "gpu", "card").value == "NVIDIA A, 24 GiB, 8.6"
    assert of(found, "gpu", "libraries").value == "missing: libcudnn"
    assert of(found, "gpu", "libraries").hint == "pip install 'tensorflow[and-cuda]'"


@pytest.mark.skipif(sys.platform != "linux", reason="CUDA's libraries are looked for on Linux alone")
def test_libraries_are_looked_for_beside_tensorflow_too(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_gpu.ctypes, "CDLL", _no_library)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    build = {"is_cuda_build": True, "cuda_version": "12.5.1", "cudnn_version": "9"}
    assert {"libcudart.so.12", "libcufft.so.11", "libcudnn.so.9"} < set(doctor_gpu.missing_libraries(build))
    place = tmp_path / "nvidia" / "cudnn" / "lib"
    place.mkdir(parents=True)
    (place / "libcudnn.so.8").write_bytes(b"")  # another version is not the one that is loaded
    assert "libcudnn.so.9" in doctor_gpu.missing_libraries(build)
    (place / "libcudnn.so.9").write_bytes(b"")
    assert "libcudnn.so.9" not in doctor_gpu.missing_libraries(build)
    assert doctor_gpu.missing_libraries({"is_cuda_build": False}) == []


def test_a_driver_that_does_not_answer_is_not_no_driver(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho Failed to initialize NVML: version mismatch\nexit 18\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (one,) = doctor._gpu()
    assert (one.level, one.value) == ("note", "nvidia-smi: Failed to initialize NVML: version mismatch")


@pytest.mark.skipif(sys.platform != "linux", reason="the oldest drivers are Linux's")
def test_a_driver_and_a_card_that_are_too_old_are_named(monkeypatch):
    monkeypatch.setattr(doctor_gpu, "does_not_answer", lambda: None)
    monkeypatch.setattr(doctor_gpu, "driver_version", lambda: "470.57.02")
    monkeypatch.setattr(doctor_gpu, "cards", lambda: ["Tesla K80, 11441 MiB, 3.7", "A100, 40000 MiB, 8.0"])
    build = {"is_cuda_build": True, "cuda_version": "12.5.1", "cuda_compute_capabilities": ["sm_60"]}
    monkeypatch.setattr("tensorflow.sysconfig.get_build_info", lambda: build)
    old = [one.value for one in doctor._gpu() if one.name == "too old"]
    assert old == [
        "the driver 470.57.02: CUDA 12.5.1 needs 525.60.13 or later",
        "Tesla K80: compute capability 3.7, expected 6.0 or later",
    ]


def _no_library(name):
    raise OSError(name)


def test_the_probe_measures_decoding_the_pass_and_a_step(monkeypatch):
    monkeypatch.setattr(doctor_probe, "_SECONDS", 0.02)
    monkeypatch.setattr("transferkit.recipe.default_backbone.missing_package", lambda recipe: "a-package")
    found = {one.name: one.value for one in doctor_probe.measure()}
    assert set(found) == {"decoding", "frozen pass", "slower of the two", "linear head"}
    assert float(found["decoding"].split()[0]) > 0
    assert "embedded" in found["frozen pass"]
