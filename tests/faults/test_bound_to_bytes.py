""" "Unchanged" and "passed" are said of bytes: what was changed in a run or an export since is noticed."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import transferkit
from transferkit.cli import cli, main
from transferkit.errors import UserError
from transferkit.export.versions import changes_of, check_artefact
from transferkit.files import checksum_manifest as file_manifest
from transferkit.files.array_file import read_arrays, write_arrays
from transferkit.files.checksum_manifest import NAME, read_manifest, write_manifest
from transferkit.runs.folder.run_manifest import file_changes, unknown_files
from transferkit.runs.prediction.exported import Exported
from transferkit.runs.prediction.find_export import find_export


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(7)
    for name, colour in (("brick", (200, 60, 40)), ("leaf", (50, 180, 60))):
        (folder / name).mkdir()
        for number in range(14):
            pixels = np.clip(np.array(colour) + rng.normal(0, 25, (40, 40, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> Path:
    """A run with a second version of its export."""
    place = tmp_path_factory.mktemp("runs") / "run"
    settings = ["epochs=1", 'export.formats=["tflite"]', "evaluation.grad_cam=0"]
    run = transferkit.retrain(backbone="embedded", data=data, run=place, overrides=settings, quiet=True)
    run.export(parity=False)
    return place


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copied"))


def call(*arguments):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    return done.exit_code, done.stdout, done.stderr


def ended(capsys, *arguments):
    """Exit code and standard error of the real entry point, which words errors."""
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    return stopped.value.code, capsys.readouterr().err


def test_every_file_is_listed_and_a_copy_is_unchanged(run):
    manifest = read_manifest(run)
    listed = set(manifest.files)
    assert {"recipe.toml", "split.csv", "quarantine.csv", "history.jsonl", "predictions.csv", "weights.npz",
            "metrics.json", "parity.json", "report.html", "export/1/manifest.json"} <= listed  # fmt: skip
    assert any(name.startswith("phases/") for name in listed)
    assert any(".tfevents." in name for name in listed)
    assert not any(name.startswith("export/2") for name in listed)
    for version in ("1", "2"):
        own = set(read_manifest(run / "export" / version).files)
        assert {"saved_model.pb", "assets/labels.txt", "model.tflite", "README.md"} <= own
    assert file_changes(run) == []
    assert unknown_files(run) == []


def reverse_lines(path):
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))


def reverse_columns(path):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    last = next(name for name in reversed(arrays) if arrays[name].ndim == 2)
    arrays[last] = arrays[last][:, ::-1]
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def flip_a_bit_and_keep_its_times(path):
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


ALTERED = {
    "labels reversed": ("export/1/assets/labels.txt", reverse_lines),
    "labels of the second version": ("export/2/assets/labels.txt", reverse_lines),
    "another tflite file": ("export/1/model.tflite", lambda path: path.write_bytes(path.read_bytes()[::-1])),
    "a bit of the variables": (
        "export/2/variables/variables.data-00000-of-00001", flip_a_bit_and_keep_its_times
    ),
    "columns of the weights": ("weights.npz", reverse_columns),
    "an empty split": ("split.csv", lambda path: path.write_text("")),
    "no split": ("split.csv", Path.unlink),
    "other figures": ("metrics.json", lambda path: path.write_text(path.read_text().replace("0.", "1."))),
    "a report": ("report.html", lambda path: path.write_text(path.read_text() + " ")),
    "parity": ("export/1/parity.json", lambda path: path.write_text("{}")),
    "no manifest of the export": ("export/1/manifest.json", Path.unlink),
    "a manifest that says otherwise": (
        "manifest.json",
        lambda path: path.write_text(path.read_text().replace('"images": 28', '"images": 29')),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_is_named(what, run):
    name, alter = ALTERED[what]
    alter(run / name)
    lines = file_changes(run)
    assert [line.split(":")[0] for line in lines] == [name]
    assert lines[0].endswith(("changed since it was written", "missing"))


def test_verify_and_inspect_exit_1_and_name_it(run, capsys):
    reverse_lines(run / "export" / "2" / "assets" / "labels.txt")
    (run / "split.csv").write_text("")
    (run / "notes.txt").write_text("mine")
    code, said, _ = call("verify", run)
    assert code == 1
    assert {"split.csv", "export/2/assets/labels.txt"} == {line.split(":")[0] for line in said.splitlines()}
    code, said, errors = call("inspect", run)
    assert code == 1
    assert "NOT as exported: assets/labels.txt: changed" in said
    assert "split.csv: changed" in errors
    code, _, errors = call("inspect", run / "export" / "2" / "model.tflite")
    assert (code, errors) == (0, "")


def test_a_manifest_that_says_nothing_or_is_gone_is_an_error(run, capsys):
    for text in (
        "{}",
        "[]",
        "",
        '{"files": {}, "sha256": ""}',
        '{"files": {"../a": {}}, "sha256": ""}',
        "\0",
    ):
        (run / NAME).write_text(text)
        code, said = ended(capsys, "verify", run)
        assert code == 2
        assert "manifest.json: it" in said
        assert len(said.splitlines()) == 1
    (run / NAME).unlink()
    code, said = ended(capsys, "verify", run)
    assert code == 2
    assert "it is missing" in said
    facts = {"files": {"a": {"bytes": 1, "sha256": "x"}}, "more": 1}
    write_manifest(run, facts)
    code, said = ended(capsys, "verify", run)
    assert code == 2
    assert "does not say recipe_sha256" in said


def test_predict_refuses_what_it_would_load_and_nothing_else(run, data, capsys):
    photo = data / "leaf" / "000.png"
    (run / "export" / "2" / "model.tflite").write_bytes(b"")
    assert call("predict", run, photo)[0] == 0
    reverse_lines(run / "export" / "2" / "assets" / "labels.txt")
    code, said = ended(capsys, "predict", run, photo)
    assert code == 2
    (line,) = said.splitlines()
    assert "export/2: it is not as it was written: assets/labels.txt: changed" in line
    code, said = ended(capsys, "predict", run / "export" / "2" / "model.tflite", photo)
    assert code == 2
    assert "model.tflite: changed" in said
    assert call("predict", run / "export" / "1", photo)[0] == 0


@pytest.mark.parametrize(
    "gone", ["saved_model.pb", "variables", "variables/variables.index", "assets", "assets/transferkit.json"]
)
@pytest.mark.parametrize("manifest", [True, False], ids=["with a manifest", "without"])
def test_half_a_saved_model_is_one_line_and_no_older_version(gone, manifest, run, data, capsys):
    version = run / "export" / "2"
    place = version / gone
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    if not manifest:
        (version / NAME).unlink()
    code, said = ended(capsys, "predict", run, data / "leaf" / "000.png")
    assert code == 2
    assert len(said.splitlines()) == 1
    assert str(version) in said


def test_evaluate_and_export_refuse_other_weights(run):
    reverse_columns(run / "weights.npz")
    opened = transferkit.load_run(run)
    for work in (opened.evaluate, lambda: opened.export(parity=False)):
        with pytest.raises(UserError, match=r"weights\.npz: changed since it was written"):
            work()


def test_weights_and_answers_that_are_no_numbers_are_one_line(run, data, tmp_path, capsys):
    import tensorflow as tf

    from transferkit.export.export_spec import About, ExportSpec
    from transferkit.export.formats import saved_model

    arrays = read_arrays(run / "weights.npz")
    write_arrays(run / "weights.npz", {name: np.full_like(one, np.nan) for name, one in arrays.items()})
    (run / NAME).unlink()
    code, said = ended(capsys, "evaluate", run, "-q")
    assert code == 2
    assert said.strip().splitlines()[-1].endswith("some weights are NaN or infinite: training diverged")

    empty = tf.Variable([np.nan, 1.0])
    answer = tf.function(lambda images: tf.fill([tf.shape(images)[0], 1], 1.0) * empty, autograph=False)
    version = tmp_path / "models" / "1"
    version.mkdir(parents=True)
    saved_model.write(ExportSpec(answer, [empty], About(("a", "b"), (8, 8))), version)
    code, said = ended(capsys, "predict", version, data / "leaf" / "000.png")
    assert code == 2
    assert "its answers are no numbers (NaN)" in said.splitlines()[-1]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"metrics": 3, "classes": []}', '{"metrics": {}}', "\xff"]
)
def test_a_broken_metrics_file_is_one_line(text, run, capsys):
    (run / "metrics.json").write_bytes(text.encode("latin-1"))
    for verb in (["evaluate", run, "-q"], ["compare", run, run], ["verify", run], ["export", run, "-q"]):
        code, said = ended(capsys, *verb)
        assert code == 2
        assert "metrics.json: " in said
        assert "it is damaged" in said
        assert len(said.splitlines()) == 1


def test_files_that_are_added_and_event_files_that_grow_are_no_change(run):
    (run / "notes.txt").write_text("mine")
    (run / "events" / "more").mkdir(parents=True)
    (run / "events" / "more" / "events.out.tfevents.9").write_bytes(b"new")
    (run / "export" / "1" / "variables.txt").write_text("mine")
    (run / ".DS_Store").write_text("")
    grown = next(run.rglob("*.tfevents.*"))
    with open(grown, "ab") as file:
        file.write(b"appended")
    assert file_changes(run) == []
    assert set(unknown_files(run)) == {
        "notes.txt",
        "events/more/events.out.tfevents.9",
        "export/1/variables.txt",
    }
    content = bytearray(grown.read_bytes())
    content[3] ^= 1
    grown.write_bytes(content)
    assert file_changes(run) == [f"{grown.relative_to(run).as_posix()}: changed since it was written"]


def test_an_export_copied_alone_is_compared_with_its_own_manifest(run, data, tmp_path, capsys):
    for place in (tmp_path / "alone", tmp_path / "models" / "7"):
        shutil.copytree(run / "export" / "1", place)
    shutil.rmtree(run)
    assert call("verify", tmp_path / "alone")[:2] == (0, "unchanged: every file is as it was exported\n")
    code, said, _ = call("predict", tmp_path / "models", data / "leaf" / "000.png")
    assert code == 0
    assert "leaf" in said
    (tmp_path / "models" / "7" / "more.txt").write_text("mine")
    code, _, errors = call("verify", tmp_path / "models")
    assert code == 0
    assert "not part of what was written: more.txt" in errors
    flip_a_bit_and_keep_its_times(tmp_path / "alone" / "model.tflite")
    assert call("verify", tmp_path / "alone")[:2] == (1, "model.tflite: changed since it was written\n")
    assert changes_of(tmp_path / "alone") == (), "the SavedModel itself is as it was"
    shutil.copy(run.parent / "alone" / "model.tflite", tmp_path / "lone.tflite")
    assert check_artefact(tmp_path / "lone.tflite") is False


def test_a_read_only_run_is_verified_without_a_cache(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(file_manifest, "_WORTH_KEEPING", 10)
    monkeypatch.setattr(file_manifest, "_SETTLED", -1.0)
    for path in [*run.rglob("*"), run]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert file_changes(run) == []
    for path in [run, *run.rglob("*")]:
        path.chmod(0o755)


def test_any_byte_of_a_run_changed_is_noticed(run):
    chance = random.Random(5)
    files = [path for path in sorted(run.rglob("*")) if path.is_file()]
    for _ in range(200):
        path = chance.choice(files)
        before = path.read_bytes()
        content = bytearray(before)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            noticed = file_changes(run)
        except UserError as error:
            noticed = list(error.faults)
        if not noticed:  # white space of a manifest says nothing
            assert path.name == NAME
            assert json.loads(content) == json.loads(before)
        path.write_bytes(before)
    assert file_changes(run) == []


def test_large_files_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_manifest, "_WORTH_KEEPING", 10)
    monkeypatch.setattr(file_manifest, "_SETTLED", -1.0)
    folder = tmp_path / "folder"
    folder.mkdir()
    large = folder / "large.bin"
    large.write_bytes(bytes(1000))
    (folder / "small").write_bytes(b"1")
    write_manifest(folder, {})
    read = []
    digest = file_manifest.sha256_of_file
    monkeypatch.setattr(
        file_manifest, "sha256_of_file", lambda path, most=None: read.append(path.name) or digest(path, most)
    )
    for _ in range(3):
        assert read_manifest(folder).changes() == []
    assert read == ["large.bin", "small", "small", "small"]
    flip_a_bit_and_keep_its_times(large)
    assert read_manifest(folder).changes() == ["large.bin: changed since it was written"]
    large.write_bytes(bytes(1000))
    assert read_manifest(folder).changes() == []
    (tmp_path / "cache" / "file-sums.json").write_text("[")
    assert read_manifest(folder).changes() == []


def test_a_file_written_just_now_is_not_remembered(tmp_path, monkeypatch):
    """It may change again within one tick of the file system's clock, with the same size and times."""
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_manifest, "_WORTH_KEEPING", 10)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "large.bin").write_bytes(bytes(1000))
    write_manifest(folder, {})
    assert read_manifest(folder).changes() == []
    assert not (tmp_path / "cache" / "file-sums.json").exists()


def test_an_export_says_whether_it_was_compared(run):
    assert Exported(find_export(run)).compared
    (run / "export" / "2" / NAME).unlink()
    assert not Exported(find_export(run)).compared


def test_a_version_of_another_run_is_no_part_of_this_one(run):
    version = run / "export" / "3"
    shutil.copytree(run / "export" / "1", version)
    assert file_changes(run) == []
    manifest = read_manifest(version)
    write_manifest(version, {**manifest.facts, "run_weights_sha256": "0" * 64})
    assert file_changes(run) == ["export/3: it was made from other weights than this run's"]
