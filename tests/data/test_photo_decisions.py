"""Decisions on single photos: added to a file, taken back, and applied to the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from transferkit.data.photo_decisions import (
    Edit,
    append_edit,
    apply_edits,
    apply_to_ledger,
    read_edits,
    standing,
)
from transferkit.data.source import DataSet, Item
from transferkit.data.splits.ledger import Ledger, Row
from transferkit.errors import UserError

HASHES = [f"{number:064x}" for number in range(4)]


def _data():
    items = tuple(Item(Path(f"{n}.jpg"), f"{n}.jpg", n % 2) for n in range(4))
    return DataSet(Path("."), ("a", "b c"), items)


def test_lines_are_only_added_and_undo_is_one(tmp_path):
    file = tmp_path / "edits.jsonl"
    sizes = []
    for edit in (
        Edit("drop", HASHES[0], "0.jpg"),
        Edit("relabel", HASHES[1], "1.jpg", "a"),
        Edit("keep", HASHES[0], "0.jpg"),
        Edit("undo"),
        Edit("undo"),
    ):
        append_edit(file, edit)
        sizes.append(file.stat().st_size)
    assert sizes == sorted(set(sizes))
    assert standing(read_edits(file)) == {HASHES[0]: Edit("drop", HASHES[0], "0.jpg")}
    file.write_text(file.read_text() + '{"action": "dr')
    assert len(read_edits(file)) == 5


def test_photos_go_or_have_another_class():
    edits = standing(
        [Edit("drop", HASHES[0]), Edit("relabel", HASHES[1], label="a"), Edit("keep", HASHES[2])]
    )
    found, hashes, kept = apply_edits(_data(), HASHES, edits)
    assert kept == [1, 2, 3]
    assert hashes == HASHES[1:]
    assert [found.classes[item.label] for item in found] == ["a", "a", "b c"]
    ledger = apply_to_ledger(Ledger((Row(HASHES[1], "1.jpg", "b c", "train"),)), edits)
    assert ledger.rows[0].label == "a"


def test_a_class_that_there_is_not_is_named():
    with pytest.raises(UserError, match=r"'b d'.*did you mean 'b c'"):
        apply_edits(_data(), HASHES, {HASHES[0]: Edit("relabel", HASHES[0], label="b d")})


def test_a_photo_with_several_labels_is_not_relabelled_without_a_word():
    items = tuple(Item(Path(f"{n}.jpg"), f"{n}.jpg", 0, labels=(0, 1)) for n in range(2))
    data = DataSet(Path("."), ("a", "b"), items)
    with pytest.raises(UserError, match=r"0\.jpg.*several labels"):
        apply_edits(data, HASHES[:2], {HASHES[0]: Edit("relabel", HASHES[0], label="b")})
    assert apply_edits(data, HASHES[:2], {HASHES[0]: Edit("drop", HASHES[0])})[2] == [1]


@pytest.mark.parametrize(
    "line",
    ["no JSON", "[]", '{"action": "shred"}', '{"action": "drop", "sha256": "abc"}',
     '{"action": "relabel", "sha256": "' + "0" * 64 + '"}', '{"action": 1}'],
)  # fmt: skip
def test_what_is_no_decision_is_refused_with_its_line(tmp_path, line):
    file = tmp_path / "edits.jsonl"
    file.write_text(f'{{"action": "undo"}}\n{line}\n')
    with pytest.raises(UserError, match=r"edits\.jsonl:2"):
        read_edits(file)


def test_a_retraining_reads_them_and_the_splits_of_an_earlier_run_still_fit(noise_photos, tmp_path):
    from transferkit.recipe import load
    from transferkit.training.prepare_images import prepare
    from transferkit.training.progress import Progress

    photos, file, ledger = noise_photos({"dark": 40, "light": 200}, 10, 20), tmp_path / "e.jsonl", tmp_path
    plain = prepare(load(overrides=[("data.path", str(photos))]), Progress(quiet=True))
    plain.ledger.write(ledger / "split.csv")
    first, second, *_ = (row for row in plain.rows if row.label == "dark" and row.split == "train")
    append_edit(file, Edit("drop", first.sha256, first.name))
    append_edit(file, Edit("relabel", second.sha256, second.name, "light"))
    append_edit(file, Edit("relabel", HASHES[0], "of other data", "light"))
    pairs = [("data.path", str(photos)), ("data.edits", str(file)), ("data.ledger", str(ledger))]
    edited = prepare(load(overrides=pairs), Progress(quiet=True))
    labels = {row.sha256: (row.label, row.split) for row in edited.rows}
    assert first.sha256 not in labels
    assert labels[second.sha256] == ("light", second.split)
    assert len(edited) == len(plain) - 1
    said = "1 photo(s) dropped, 1 relabelled; 1 decision(s) are on photos that are not here"
    assert any(said in note for note in edited.notes)
    assert {row.split for row in edited.rows} == {row.split for row in plain.rows}


def test_half_a_line_of_a_killed_process_makes_way_for_the_next(tmp_path):
    """The lines after it would be lost with it: a file is read to its first fault."""
    file = tmp_path / "edits.jsonl"
    append_edit(file, Edit("drop", HASHES[0]))
    with open(file, "ab") as opened:
        opened.write(b'{"sha256": "ab')
    append_edit(file, Edit("keep", HASHES[1]))
    assert [one.action for one in read_edits(file)] == ["drop", "keep"]
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))  # an editor
    append_edit(file, Edit("undo"))
    assert [one.action for one in read_edits(file)] == ["drop", "keep", "undo"]
