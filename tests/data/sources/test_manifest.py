"""CSV and JSON Lines manifests."""

from __future__ import annotations

import json

import pytest

from transferkit.data.sources.manifest import read_manifest
from transferkit.errors import UserError


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv(tmp_path):
    path = written(
        tmp_path, "m.csv",
        'path,label,split,group\nb/2.jpg,dog,Validation,g 1\na/1.jpg,"cat, big",train,\n'
        '/abs/3.jpg,dog,,g 1\n',
    )  # fmt: skip
    found = read_manifest(path)
    assert found.classes == ("cat, big", "dog")
    assert [(item.name, item.label, item.split, item.group) for item in found] == [
        ("/abs/3.jpg", 1, None, "g 1"), ("a/1.jpg", 0, "train", None), ("b/2.jpg", 1, "val", "g 1"),
    ]  # fmt: skip
    assert found.items[1].path == tmp_path / "a/1.jpg"
    assert found.items[0].path.as_posix() == "/abs/3.jpg"
    assert not found.multi_label


def test_jsonl_and_tsv_say_the_same(tmp_path):
    rows = [{"path": f"{i}.jpg", "label": "ab"[i % 2], "split": "train"} for i in range(4)]
    lines = written(tmp_path, "m.jsonl", "\n".join(json.dumps(row) for row in rows) + "\n\n")
    table = "path\tlabel\tsplit\n" + "".join(f"{r['path']}\t{r['label']}\t{r['split']}\n" for r in rows)
    assert read_manifest(lines).items == read_manifest(written(tmp_path, "m.tsv", table)).items


def test_a_mark_at_the_files_beginning_is_no_part_of_the_first_column(tmp_path):
    path = written(tmp_path, "m.csv", "\ufeffpath,label\n1.jpg,a\n2.jpg,b\n")
    assert len(read_manifest(path)) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", 'path,labels\n1.jpg,red | round\n2.jpg,\n3.jpg,"[""red"", ""a|b""]"\n'),
        (
            "m.jsonl",
            '{"path": "1.jpg", "labels": ["round", "red"]}\n{"path": "2.jpg", "labels": []}\n'
            '{"path": "3.jpg", "labels": ["a|b", "red", "red"]}\n',
        ),
    ],
)
def test_several_labels(tmp_path, name, text):
    found = read_manifest(written(tmp_path, name, text))
    assert found.multi_label
    assert found.classes == ("a|b", "red", "round")
    assert [item.labels for item in found] == [(1, 2), (), (0, 1)]
    assert [item.label for item in found] == [1, -1, 0]
    assert found.counts() == {"a|b": 1, "red": 2, "round": 1}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("m.csv", "", "the columns path and label"),
        ("m.csv", "path,lable\n1.jpg,a\n", "did you mean 'label'"),
        ("m.csv", "path,label,labels\n1.jpg,a,a\n", "the columns path and label"),
        ("m.csv", "path,label\n1.jpg,a\n2.jpg,\n", "m.csv:3: label"),
        ("m.csv", "path,label\n,a\n2.jpg,b\n", "m.csv:2: path"),
        ("m.csv", "path,label,split\n1.jpg,a,trian\n", "did you mean 'train'"),
        ("m.csv", "path,label\n1.jpg,a\n1.jpg,b\n", "is b here and a in line 2"),
        ("m.csv", "path,label\nmy, photo.jpg,a\n", "put quotes around what holds commas"),
        ("m.csv", "path,label\nhttps://x/1.jpg,a\n", "download it first"),
        ("m.csv", "path,label\n1.jpg,a\n2.jpg,a\n", "at least two classes"),
        ("m.jsonl", "{]\n", "m.jsonl:1"),
        ("m.jsonl", "[1]\n", "a JSON list of objects"),
        ("m.jsonl", '{"path": "1.jpg", "label": "a"}\n[1]\n', "m.jsonl:2: .*a JSON object"),
        ("m.jsonl", '{"path": "1.jpg", "label": 1.0}\n', "m.jsonl:1: label"),
        (
            "m.jsonl",
            '{"path": "1.jpg", "label": "a"}\n{"path": "2.jpg", "labels": []}\n',
            "as in the lines before",
        ),
        ("m.jsonl", '{"path": "1.jpg", "labels": [1]}\n', "a list of class names"),
    ],
)
def test_faults_name_their_line(tmp_path, name, text, says):
    with pytest.raises(UserError, match=says):
        read_manifest(written(tmp_path, name, text))


def test_all_faults_at_once(tmp_path):
    text = "path,label,split\n" + "1.jpg,,nowhere\n,a,train\n"
    with pytest.raises(UserError) as caught:
        read_manifest(written(tmp_path, "m.csv", text))
    assert [line.split(":")[1] for line in caught.value.faults] == ["2", "2", "3"]


def test_the_same_row_twice_is_one_image(tmp_path):
    assert len(read_manifest(written(tmp_path, "m.csv", "path,label\n1.jpg,a\n1.jpg,a\n2.jpg,b\n"))) == 2


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_manifest(tmp_path / "m.csv")


def test_a_column_that_is_no_split_after_all_is_not_said_to_be_one(tmp_path):
    text = "path,label,fold\n1.jpg,a,0\n2.jpg,b,1\n"
    found = read_manifest(written(tmp_path, "m.csv", text))
    assert [item.split for item in found] == [None, None]
    assert not any("split = 'fold'" in note for note in found.notes)


def test_numbers_that_a_spreadsheet_wrote_in_two_ways_are_named(tmp_path):
    """With 01 among them they are names, and 1 and 1.0 are two."""
    text = "path,label\n" + "".join(f"{n}.jpg,{one}\n" for n, one in enumerate(["1", "1.0", "01", "10", "2"]))
    found = read_manifest(written(tmp_path, "m.csv", text))
    assert [note for note in found.notes if "misspelling" in note] == [
        "m.csv: '01' and '1' and '1.0' are two classes: is one a misspelling?"
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["Training", "dev", "hold-out"], ["train", "val", "test"]),
        (["seg_train", "seg_val", "seg_test"], ["train", "val", "test"]),
        (["train_images", "", "test_images"], ["train", None, "test"]),
        # As in folders: what stands beside a test split is for validation.
        (["train", "eval", "test"], ["train", "val", "test"]),
        (["train", "eval", "train"], ["train", "test", "train"]),
        # Words count, not the ways in which they are typed.
        (["train", "Test", "test", "eval"], ["train", "test", "test", "val"]),
        (["train", "Testing", "test", "hold-out", "Holdout"], ["train", "test", "test", "val", "val"]),
        (["train", "dev", "eval", "test"], ["train", "val", "test", "test"]),
        (["train", "Eval", "eval"], ["train", "test", "test"]),
        (["train", "eval", "holdout", "test"], ["train", "test", "test", "test"]),
    ],
)
@pytest.mark.parametrize("header", ["path,label,split", "path,label,subset"])
def test_splits_are_called_as_folders_are(tmp_path, header, cells, expected):
    text = "".join(f"{n}.jpg,{'ab'[n % 2]},{cell}\n" for n, cell in enumerate(cells))
    found = read_manifest(written(tmp_path, "m.csv", f"{header}\n{text}"))
    assert [item.split for item in found] == expected


def test_words_around_a_split_are_read_only_where_they_are_the_same(tmp_path):
    with pytest.raises(UserError, match="'train_station', expected train, val or test"):
        read_manifest(
            written(tmp_path, "m.csv", "path,label,split\n1.jpg,a,train_station\n2.jpg,b,test_tube\n")
        )
