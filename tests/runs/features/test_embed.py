"""Features as tables, and the training photos that are most like a photo."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.cli import main
from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError
from transferkit.runs.features.similar import nearest
from transferkit.runs.features.table_files import check_table


def call(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return ended.value.code


def test_a_run_s_features_are_those_that_its_head_decides_on(run, photos):
    found = transferkit.embed(run.path, photos)
    assert found.features.shape == (42, 512)
    assert sorted({one.label for one in found.photos}) == ["dark", "grey", "light"]
    for one in found.photos:
        with open(one.path, "rb") as file:
            assert one.sha256 == hashlib.sha256(file.read()).hexdigest()
    # The head on top of them gives the run's own answers.
    from transferkit.runs.finished.restore import restore

    _, network = restore(run)
    answers = network.predictions(network.layer(network.standardise(found.features)))["probabilities"].numpy()
    for one, row in list(zip(found.photos, answers, strict=True))[::7]:
        (answer,) = run.predict([one.path], top=1)
        assert answer.top[0][0] == run.classes[row.argmax()]
        assert answer.top[0][1] == pytest.approx(row.max(), abs=1e-4)


def test_a_package_that_cannot_be_imported_is_named_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text('raise ImportError("needs NumPy 2\\nor newer")')
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"pyarrow, which cannot be imported \(needs NumPy 2"):
        check_table(tmp_path / "x.parquet")


@pytest.mark.parametrize("ending", ["parquet", "npz", "npy"])
def test_each_kind_of_file_holds_the_same_rows(run, photos, tmp_path, capsys, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow", exc_type=ImportError)  # beside NumPy 1 it refuses
    to = tmp_path / f"x.{ending}"
    assert call("embed", run.path, photos, "--to", to, "-q", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["photos"], said["width"], said["unreadable"]) == (42, 512, [])
    if ending == "parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(to).to_pydict()
        features, labels, paths = table["features"], table["label"], table["path"]
        # The run knows its own photos.
        of_run = {row.sha256: row.split for row in Ledger.read(run.path / "split.csv").rows}
        assert table["split"] == [of_run[one] for one in table["sha256"]]
    elif ending == "npz":
        with np.load(to) as table:
            features, labels, paths = table["features"], table["label"].tolist(), table["path"].tolist()
    else:
        features = np.load(to)
        with open(tmp_path / "x.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        labels, paths = [row["label"] for row in rows], [row["path"] for row in rows]
    expected = transferkit.embed(run.path, photos)
    np.testing.assert_array_equal(np.float32(features), expected.features)
    assert labels == [one.label for one in expected.photos]
    assert paths == [one.path for one in expected.photos]


def test_files_without_labels_and_one_that_is_no_image(run, photos, tmp_path, capsys):
    shutil.copy(photos / "dark" / "00.png", tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    assert call("embed", run.path, tmp_path, "--to", tmp_path / "x.npz", "-q") == 1
    assert "b.jpg" in capsys.readouterr().err
    with np.load(tmp_path / "x.npz") as table:
        assert table["path"].tolist() == [str(tmp_path / "a.png")]
        assert table["label"].tolist() == [""]


def test_a_backbone_needs_no_run(photos):
    found = transferkit.embed("embedded", [photos / "dark" / "00.png", photos / "light" / "03.png"])
    assert found.features.shape == (2, 512)
    assert found.photos[0].label is None


def test_what_cannot_be_written_is_said_before_any_work(tmp_path, capsys):
    assert call("embed", "embedded", tmp_path, "--to", tmp_path / "none" / "x.txt") == 2
    said = capsys.readouterr().err
    assert ".parquet, .npz, .npy" in said
    assert "a file in a folder that exists" in said
    assert call("embed", "embeded", tmp_path / "none.jpg", "--to", tmp_path / "x.npz") == 2


def test_the_most_alike_photo_of_a_training_photo_is_itself(run, photos, capsys):
    row = next(row for row in Ledger.read(run.path / "split.csv").rows if row.split == "train")
    assert call("similar", run.path, photos / row.name, "-n", 4, "-q", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    first, *others = found["similar"]
    assert (first["path"], first["label"]) == (str(photos / row.name), row.label)
    assert first["distance"] < 1e-5
    assert [one["distance"] for one in others] == sorted(one["distance"] for one in others)
    assert len(others) == 3


def test_the_cache_stands_in_for_training_photos_that_are_gone(run, photos, tmp_path):
    hidden = photos.with_name("hidden")
    image = tmp_path / "new.png"
    Image.new("RGB", (24, 24), (212, 210, 208)).save(image)
    before = transferkit.similar(run, image)
    photos.rename(hidden)
    try:
        assert transferkit.similar(run, image) == before
    finally:
        hidden.rename(photos)
    with pytest.raises(UserError, match="no such file"):
        transferkit.similar(run, tmp_path / "none.png")


def test_distances_are_cosines_about_the_middle():
    known = np.float32([[1, 0], [-1, 0], [0, 2], [0, -2]]) + 5
    distances, places = nearest(np.float32([[6, 5], [5, 9]]), known, 3)
    np.testing.assert_allclose(distances, [[0, 1, 1], [0, 1, 1]], atol=1e-6)
    assert places.tolist() == [[0, 2, 3], [2, 0, 1]]
