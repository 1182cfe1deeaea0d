"""``transferkit data check``."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli import cli, main
from transferkit.errors import UserError


@pytest.fixture
def photos(tmp_path):
    """Two classes of four pictures, one of them in both."""
    for k, name in enumerate("ab"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(10 * k + i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC)
            picture.save(tmp_path / "photos" / name / f"{i}.jpg")
    shutil.copy(tmp_path / "photos/a/0.jpg", tmp_path / "photos/b/copy.jpg")
    return tmp_path / "photos"


def run(*arguments):
    return CliRunner().invoke(cli, ["data", "check", *map(str, arguments)], catch_exceptions=False)


def test_the_table(photos):
    done = run(photos)
    assert done.exit_code == 0
    assert "the same file is labelled a and b" in done.stdout
    assert "a/0.jpg, b/copy.jpg" in done.stdout
    assert "9 files: jpeg 9; 80 to 80 wide, 60 to 60 high" in done.stdout
    assert "found: 1 conflict" in done.stdout


def test_json_and_the_page(photos, tmp_path):
    done = run(photos, "--json", "--quiet", "--html", tmp_path / "check.html")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["summary"]["conflict"] == 1
    assert "the same file is labelled a and b" in (tmp_path / "check.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("gate", "code"), [("never", 0), ("error", 1), ("warning", 1)])
def test_gates(photos, gate, code, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(photos), "--quiet", "--fail-on", gate])
    assert caught.value.code == code
    assert ("1 × conflict" in capsys.readouterr().err) == bool(code)


def test_sources_other_than_folders(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    done = run(tmp_path / "photos.zip", "--json", "--quiet")
    assert json.loads(done.stdout)["summary"]["conflict"] == 1


def test_limits(photos):
    done = run(photos, "--json", "--quiet", "--max-pixels", 4799)
    assert json.loads(done.stdout)["summary"]["unreadable"] == 9
    biggest = max(path.stat().st_size for path in photos.glob("*/*.jpg"))
    done = run(photos, "--json", "--quiet", "--max-bytes", biggest - 1, "--max-side", 80)
    assert 1 <= json.loads(done.stdout)["summary"]["unreadable"] < 9


def test_several_labels_an_image(photos, tmp_path):
    rows = [
        (f"photos/{name}/{i}.jpg", labels)
        for name, labels in (("a", "a|both"), ("b", "both"))
        for i in range(4)
    ]
    lines = ["path,labels", *(f"{path},{labels}" for path, labels in rows), "photos/b/copy.jpg,", ""]
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    done = run(tmp_path / "tags.csv", "--json", "--quiet", "--html", tmp_path / "check.html")
    found = json.loads(done.stdout)
    assert found["images"] == 9
    assert found["counts"] == {"all": {"a": 4, "both": 8}}
    (conflict,) = [one for one in found["findings"] if one["kind"] == "conflict"]
    assert conflict["message"] == "the same file is labelled a + both and no label"
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "a + both" in page
    assert page.count("data:image/jpeg") >= 2


def test_records_are_checked_with_their_pictures(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "photos.tfrecord")) as writer:
        for path in sorted(photos.glob("*/*.jpg")):
            values = {"image/encoded": path.read_bytes(), "image/class/text": path.parent.name.encode()}
            features = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in values.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    done = run(tmp_path / "photos.tfrecord", "--json", "--quiet", "--html", tmp_path / "check.html")
    assert json.loads(done.stdout)["summary"]["conflict"] == 1
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "the same file is labelled a and b" in page
    assert page.count("data:image/jpeg") >= 2


def test_no_such_data(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(tmp_path / "gone")])
    assert caught.value.code == 2
    assert "no such folder" in capsys.readouterr().err


def test_features_of_a_backbone_are_used(photos, tmp_path):
    done = run(photos, "--backbone", "embedded", "--json", "--quiet")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["checked"][-1] == "labels"


def test_what_was_not_checked_and_how_a_manifest_was_read_is_said(tmp_path):
    for name in "ab":
        Image.new("RGB", (40, 40), "red" if name == "a" else "blue").save(tmp_path / f"{name}.png")
    (tmp_path / "list.csv").write_text("who;what\na.png;x\nb.png;y\ngone.png;x\n")
    with pytest.raises(UserError, match=r"say which column is the label"):
        run(tmp_path / "list.csv")
    columns = "data.columns={path='who', label='what'}"
    said = run(tmp_path / "list.csv", "--set", columns, "-q").output
    assert "divided by semicolons" in said
    assert "1 of 3 files are missing; the others are there" in said
    assert "not checked: wrong labels and retouched copies" in said
    assert "not checked: leaks between splits: the data brings no splits" in said
