"""Names that not every file, terminal or disk takes: of files, of classes, of the data folder, of the run."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferkit.cli import main
from transferkit.cli._options import json_text
from transferkit.data.sources import read_source
from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError
from transferkit.evaluation import read_predictions
from transferkit.inspection.check_data import check_data
from transferkit.runs.finished.run import load_run
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.folder.verify import verify_run
from transferkit.runs.retrain import retrain

ODD = (" leading space", "a=b,c|d", "quotes \"'", "tab\there", "<b>&amp;<br>", "🌹 向日葵 قطة", "100 %", "#1")
LATIN = os.fsdecode(b"caf\xe9 3.png")


def png(number):
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def photos(root, *classes, each=8):
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(each):
            (root / name / f"{i}.png").write_bytes(png(label * 100 + i))
    return root


def latin_file(root):
    """A file whose name is no UTF-8; not every disk takes one."""
    try:
        (root / LATIN).write_bytes(png(999))
    except (OSError, UnicodeError):
        pytest.skip("this disk takes names in UTF-8 only")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on classes of odd names, with a file among them whose name is no UTF-8."""
    here = tmp_path_factory.mktemp("odd")
    root = photos(here / "photos", *ODD)
    latin_file(root / ODD[0])
    (root / ODD[1] / 'line\nbreak, "quoted".png').write_bytes(png(998))
    more = [("epochs", 1), ("data.validation", 0.3), ("data.test", 0.3)]
    more += [("evaluation.grad_cam", 0), ("evaluation.resamples", 0), ("export.parity", False)]
    return retrain(backbone="embedded", data=str(root), run=here / "run", quiet=True, overrides=more).path


def test_every_file_of_a_run_gives_its_names_back(run):
    ledger = Ledger.read(run / "split.csv")
    assert {row.label for row in ledger.rows} == set(ODD)
    names = {row.name for row in ledger.rows}
    assert rf"{ODD[0]}/caf\xe9 3.png" in names
    assert f'{ODD[1]}/line\nbreak, "quoted".png' in names
    order = tuple(sorted(ODD))
    assert read_predictions(run / "predictions.csv").classes == order
    assert (run / "export/1/assets/labels.txt").read_text("utf-8").splitlines() == list(order)
    assert load_run(run).classes == order
    for path in run.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text("utf-8").splitlines())
        elif path.suffix in (".csv", ".html", ".md", ".toml", ".txt"):
            path.read_text("utf-8")


def test_the_run_verifies_evaluates_and_predicts(run):
    opened = load_run(run)
    assert verify_run(opened) == []
    assert set(opened.evaluate().classes) == set(ODD)
    paths = [str(run.parent / "photos" / ODD[0] / LATIN), str(run.parent / "photos" / ODD[5] / "1.png")]
    assert {label for answer in opened.predict(paths) for label, _ in answer.top} <= set(ODD)


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        ("ascii", "json"),
        ("cp1252", "json"),
        ("cp1252", "csv"),
        ("utf-8:strict", "json"),
        ("utf-8:strict", "table"),
    ],
)
def test_predict_prints_any_name_to_any_stream(run, monkeypatch, encoding, form):
    raw = io.BytesIO()
    codec, _, errors = encoding.partition(":")
    stream = io.TextIOWrapper(raw, codec, errors or "strict", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(run), str(run.parent / "photos" / ODD[0]), "--format", form])
    assert not ended.value.code
    stream.flush()
    text = raw.getvalue().decode(codec)
    if form == "json":
        rows = [json.loads(line) for line in text.splitlines()]
        assert {one["label"] for row in rows for one in row["top"]} <= set(ODD)
        assert any(row["path"].endswith(LATIN) for row in rows), "exact: a program may open it"
    else:
        assert r"caf\xe9 3.png" in text
    if form == "csv":
        assert len({len(row) for row in csv.reader(io.StringIO(text))}) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_the_command_prints_a_fault_with_any_name(tmp_path, encoding):
    root = photos(tmp_path / "قطة", "a")
    code = "from transferkit.cli import command; command()"
    env = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C", "TRANSFERKIT_CACHE": str(tmp_path)}
    words = [sys.executable, "-c", code, "data", "check", str(root)]
    done = subprocess.run(words, env=env, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"at least 2 class folders" in done.stderr


def test_json_stays_json_whatever_the_stream_takes(monkeypatch):
    value = {"label": "Löwe 🌹", "path": "caf\udce9"}
    for codec in ("ascii", "cp1252", "utf-8"):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), codec))
        text = json_text(value)
        assert json.loads(text) == value
        text.encode(codec)


@pytest.mark.parametrize("name", ["new\nline", "end\r", "page\x0cbreak", os.fsdecode(b"tulp\xe9")])
def test_class_names_that_cannot_be_stored_are_refused_before_any_work(tmp_path, name):
    try:
        root = photos(tmp_path / "photos", "a", name)
    except (OSError, UnicodeError):
        pytest.skip("this disk takes names in UTF-8 only")
    with pytest.raises(UserError, match="rename it"):
        retrain(backbone="embedded", data=str(root), run=tmp_path / "run", quiet=True)
    assert not list(tmp_path.glob("*run*"))
    with pytest.raises(UserError, match="rename it"):
        check_data(root)


def test_a_manifests_class_names_are_held_to_the_same(tmp_path):
    rows = [{"path": "1.png", "label": "a"}, {"path": "caf\udce9.png", "label": "b\u2028c"}]
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(UserError, match=r"one line|a name of"):
        read_source(tmp_path / "m.jsonl", unpack_to=tmp_path / "to")


def test_a_data_folder_or_run_whose_own_name_is_no_utf8(tmp_path, monkeypatch):
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9ta"))
    try:
        photos(root, "a", "b", each=3)
    except (OSError, UnicodeError):
        pytest.skip("this disk takes names in UTF-8 only")
    with pytest.raises(UserError, match=r"data\.path: received .*d\\xe9ta, expected text in UTF-8"):
        retrain(backbone="embedded", data=str(root), run=tmp_path / "run", quiet=True)
    with pytest.raises(UserError, match=r"r\\xe9: expected a path in UTF-8"):
        RunFolder(tmp_path / os.fsdecode(b"r\xe9")).check(overwrite=False, resume=False)
    # Looked at, it needs no other name; its page is written.
    result = check_data(root, page=tmp_path / "page.html")
    assert result.source.endswith(r"d\xe9ta")
    assert r"d\xe9ta" in (tmp_path / "page.html").read_text("utf-8")
    json.dumps(result.to_dict()).encode()
