"""What to label next, as one who has a run and a folder of photos without labels asks."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.cli import main
from transferkit.data.sources import read_source
from transferkit.errors import UserError
from transferkit.runs.features.label_next import LabelNext, ToLabel, check_csv


@pytest.fixture(scope="module")
def unlabelled(photos, tmp_path_factory):
    """New photos between the classes, copies of them, photos of the run, and a file that is none."""
    folder = tmp_path_factory.mktemp("unlabelled")
    rng = np.random.default_rng(5)
    for number, level in enumerate([40, 80, 80, 120, 165, 210]):
        pixels = np.clip(rng.normal(level, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"new {number}.png")
    shutil.copy(folder / "new 1.png", folder / "copy.png")
    shutil.copy(next((photos / "dark").iterdir()), folder / "old.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def test_new_photos_are_chosen_once_each_and_written(run, unlabelled, tmp_path):
    found = transferkit.label_next(run, unlabelled, count=4)
    names = [one.path.rpartition("/")[2] for one in found.photos]
    assert len(set(names)) == len(found) <= 4
    assert "old.png" not in names
    assert len({"new 1.png", "copy.png"} & set(names)) <= 1
    assert found.asked == 6
    assert found.known == 2
    assert [one.name.rpartition("/")[2] for one in found.unreadable] == ["broken.png"]
    with open(found.write_csv(tmp_path / "next.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [one.path for one in found.photos]
    assert {row["label"] for row in rows} == {""}
    page = found.write_page(tmp_path / "next.html").read_text("utf-8")
    assert page.count("data:image/") == len(found)


def test_the_command_says_what_it_wrote(run, unlabelled, tmp_path, capsys):
    to = tmp_path / "next.csv"
    words = ["label", "next", str(run.path), "--data", str(unlabelled), "-n", "3", "--csv", str(to), "-q"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    shown = capsys.readouterr()
    assert f"written: {to}" in shown.out
    assert "broken.png" in shown.err
    with pytest.raises(SystemExit):
        main([*words, "--json"])
    assert len(json.loads(capsys.readouterr().out)["photos"]) == 3


def test_nothing_to_choose_from_is_said(run, photos, capsys):
    with pytest.raises(UserError, match="the run has all of these 42 photos"):
        transferkit.label_next(run, photos)
    with pytest.raises(SystemExit) as ended:
        main(["label", "next", str(run.path), "--csv", "/nowhere/at/all.csv"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_table_that_is_filled_in_in_part_gives_what_has_a_label(tmp_path):
    photos = []
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
        photos.append(ToLabel(str(tmp_path / f"{number}.png"), (("dark", 0.9), ("light", 0.1)), 0.2, 0.3))
    table = LabelNext(tuple(photos), 4).write_csv(tmp_path / "next.csv")
    with pytest.raises(UserError, match="none of 4 rows has one: fill in the column label"):
        read_source(table, unpack_to=tmp_path)
    lines = table.read_text("utf-8").splitlines()
    lines[1] = lines[1].replace(",,dark", ",light,dark")
    lines[3] = lines[3].replace(",,dark", ",dark,dark")
    table.write_text("\n".join(lines), "utf-8")
    found = read_source(table, unpack_to=tmp_path)
    assert [(item.path.name, found.label_text(item)) for item in found] == [
        ("0.png", "light"),
        ("2.png", "dark"),
    ]
    assert any("2 of 4 rows have no label yet" in note for note in found.notes)
    # In any other table a row without a label is a fault.
    table.write_text("\n".join(lines).replace("doubt", "age"), "utf-8")
    with pytest.raises(UserError, match="the name of a class"):
        read_source(table, unpack_to=tmp_path)


@pytest.mark.parametrize("sign", [",", ";"])
def test_labels_that_were_filled_in_are_not_written_over(run, unlabelled, tmp_path, capsys, sign):
    to = tmp_path / "next.csv"
    to.write_text(sign.join(["path", "label", "guess"]) + "\n" + sign.join(["a.png", "dark", "grey"]) + "\n")
    before = to.read_bytes()
    with pytest.raises(SystemExit):
        main(["label", "next", str(run.path), "--data", str(unlabelled), "--csv", str(to)])
    assert "1 are in it" in capsys.readouterr().err
    assert to.read_bytes() == before
    check_csv("/dev/zero")  # reads nothing of what has no end


def test_a_name_that_is_no_utf_8_is_written_as_it_is_shown(tmp_path):
    one = ToLabel("/photos/caf\udce9.png", (("dark", 0.5),), 1.0, 1.0)
    found = LabelNext((one,), 1)
    for to in (found.write_csv(tmp_path / "next.csv"), found.write_page(tmp_path / "next.html")):
        assert "/photos/caf\\xe9.png" in to.read_text("utf-8")
