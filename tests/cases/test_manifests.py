"""Manifests as spreadsheets, data frames, R, labelling tools and competitions write them."""

from __future__ import annotations

import json
import unicodedata

import pytest
from PIL import Image

from transferkit.data.sources import ManifestOptions, read_source
from transferkit.errors import UserError

ROWS = [("img/a.jpg", "cat"), ("img/b.jpg", "dog"), ("img/c.jpg", "cat")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures that most tables list, two that are listed without endings, and one with a space."""
    root = tmp_path_factory.mktemp("manifests")
    for name in ("img/a.jpg", "img/b.jpg", "img/c.jpg", "pets/x1.png", "pets/x2.png", "spaced/my photo.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)
    return root


def read(folder, raw, suffix=".csv", **options):
    path = folder / f"m{suffix}"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    try:
        return read_source(path, unpack_to=folder / "to", manifest=ManifestOptions(**options))
    finally:
        path.unlink()


def pairs(found):
    return [(item.path.name, found.described(item)) for item in found]


EXPECTED = [("a.jpg", "cat"), ("b.jpg", "dog"), ("c.jpg", "cat")]


def table(sep=",", header=("path", "label"), rows=ROWS, end="\n"):
    return "".join(sep.join(row) + end for row in [header, *rows])


INDEXED = ",path,label\n" + "".join(f"{i},{path},{label}\n" for i, (path, label) in enumerate(ROWS))
LABEL_STUDIO = "image,id,choice,annotator,lead_time\n" + "".join(
    f"{path},{i},{label},1,2.5\n" for i, (path, label) in enumerate(ROWS)
)
OBJECTS = [{"path": path, "label": label} for path, label in ROWS]


@pytest.mark.parametrize(
    ("raw", "suffix"),
    [
        (table(";").encode("utf-8-sig"), ".csv"),
        (table("\t", end="\r\n").encode("utf-16"), ".tsv"),
        (table("\t").encode("utf-16-le"), ".csv"),
        (table().encode("utf-16-be"), ".csv"),
        (table("|"), ".csv"),
        (table(end="\r"), ".csv"),
        ("sep=;\n" + table(";"), ".csv"),
        ("\n\n" + table() + ",,\n\n", ".csv"),
        (table().replace("cat\n", "cat,,\n"), ".csv"),
        (table(header=("Path", " LABEL ")), ".csv"),
        (table(header=("filename", "class")), ".csv"),
        (table(header=("image", "label")), ".csv"),
        (table(header=("File Name", "Category")), ".csv"),
        (table(header=("file", "target")), ".csv"),
        (INDEXED, ".csv"),
        (INDEXED.replace(",path", "Unnamed: 0,path", 1), ".csv"),
        ('"path","label"\n' + "".join(f'"{i}","{p}","{c}"\n' for i, (p, c) in enumerate(ROWS, 1)), ".csv"),
        ('"","path","label"\n' + "".join(f'"{i}","{p}","{c}"\n' for i, (p, c) in enumerate(ROWS, 1)), ".csv"),
        (table().replace("/", "\\"), ".csv"),
        (table().replace("img/", "./img//"), ".csv"),
        (table(), ".txt"),
        ("filename,cat,dog\nimg/a.jpg,1,0\nimg/b.jpg,0,1\nimg/c.jpg,1.0,0.0\n", ".csv"),
        (LABEL_STUDIO, ".csv"),
        ("filename,cat,dog\nimg/a.jpg,1,-1\nimg/b.jpg,-1,1\nimg/c.jpg,1,-1\n", ".csv"),
        ('"path" "label"\n' + "".join(f'"{i}" "{p}" "{c}"\n' for i, (p, c) in enumerate(ROWS, 1)), ".txt"),
        ("My labels,\n" + table(), ".csv"),
        ("# made by a tool\n#\n" + table(";"), ".csv"),
        (json.dumps(OBJECTS), ".json"),
        (json.dumps(OBJECTS, indent=1), ".jsonl"),
        ("\n".join(map(json.dumps, OBJECTS)), ".json"),
        (json.dumps(dict(ROWS)), ".json"),
        (json.dumps({key: dict(enumerate(row[key] for row in OBJECTS)) for key in OBJECTS[0]}), ".json"),
        (json.dumps({key: [row[key] for row in OBJECTS] for key in OBJECTS[0]}), ".json"),
        ("\n".join(map(json.dumps, OBJECTS)).encode("utf-16"), ".jsonl"),
        ("\r\n".join(map(json.dumps, OBJECTS)).encode("utf-8-sig"), ".jsonl"),
        ("\n".join(json.dumps({"image": p, "class": c, "id": 3}) for p, c in ROWS), ".ndjson"),
        # Columns of these names that are no splits, and cells that are no paths, are other columns.
        (table(header=("path", "label", "set"), rows=[(*row, "blue") for row in ROWS]), ".csv"),
        (table(header=("id", "filename", "label"), rows=[("7", *row) for row in ROWS]), ".csv"),
        (table(header=("class_id", "class_name", "path"), rows=[("1", c, p) for p, c in ROWS]), ".csv"),
    ],
)  # fmt: skip
def test_one_table_in_many_shapes(folder, raw, suffix):
    found = read(folder, raw, suffix)
    assert pairs(found) == EXPECTED
    assert found.classes == ("cat", "dog")
    assert all(item.path.is_file() for item in found)


def test_what_was_inferred_is_said_in_a_note(folder):
    assert read(folder, table()).notes == ()
    (note,) = read(folder, table(header=("filename", "class"))).notes
    assert "path = 'filename', label = 'class'" in note
    (note,) = read(folder, table(";")).notes
    assert "semicolons" in note


@pytest.mark.parametrize("label", ["Löwenzahn", "Café", "Größe", "Straße"])
def test_text_that_all_latin_code_pages_read_alike_is_read(folder, label):
    found = read(folder, table(rows=[("img/a.jpg", label), ROWS[1]]).encode("cp1252"))
    assert set(found.classes) == {label, "dog"}
    assert any("cp1252" in note and label in note for note in found.notes)


@pytest.mark.parametrize(
    ("label", "encoding"),
    [("猫咪", "gbk"), ("кошка", "cp1251"), ("żółw", "cp1250"), ("ネコ", "shift_jis"), ("고양이", "euc_kr"),
     ("ağaç", "cp1254"), ("γάτα", "iso8859-7"), ("fjällräv år", "mac_roman"), ("貓咪", "big5")],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_text_in_doubt_is_refused_and_read_as_the_user_says(folder, label, encoding, suffix):
    rows = [("img/a.jpg", label), ROWS[1]]
    text = table(rows=rows)
    if suffix == ".jsonl":
        text = "\n".join(json.dumps({"path": p, "label": c}, ensure_ascii=False) for p, c in rows)
    with pytest.raises(UserError, match=r"data\.encoding") as caught:
        read(folder, text.encode(encoding), suffix)
    assert len(caught.value.faults) == 1
    assert set(read(folder, text.encode(encoding), suffix, encoding=encoding).classes) == {label, "dog"}
    with pytest.raises(UserError, match="is no utf-8"):
        read(folder, text.encode(encoding), suffix, encoding="utf-8")


def test_the_hint_shows_the_readings(folder):
    with pytest.raises(UserError, match=r"gb18030\" reads 'img/a.jpg,狗'"):
        read(folder, table(rows=[("img/a.jpg", "狗"), ROWS[1]]).encode("gbk"))


def test_spellings_of_one_class_are_one_class_with_a_note(folder):
    forms = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    found = read(
        folder, table(rows=[("img/a.jpg", forms[0]), ("img/b.jpg", forms[1]), ("img/c.jpg", "Rose ")])
    )
    assert found.classes == ("Rose", forms[0])
    assert any("NFC" in note for note in found.notes)
    assert any("white space around 1 label" in note for note in found.notes)
    # One spelling alone is left as it is.
    assert read(folder, table(rows=[("img/a.jpg", forms[1]), ROWS[1]])).classes == (forms[1], "dog")
    found = read(folder, table(rows=[("img/a.jpg", "1"), ("img/b.jpg", "1.0"), ("img/c.jpg", "2")]))
    assert found.classes == ("1", "2")
    assert read(folder, table(rows=[("img/a.jpg", "1.0"), ("img/b.jpg", "2.0")])).classes == ("1.0", "2.0")
    found = read(folder, table(rows=[("img/a.jpg", "Cat"), ("img/b.jpg", "cat")]))
    assert found.classes == ("Cat", "cat")
    assert any("misspelling" in note for note in found.notes)
    found = read(folder, table(rows=[("img/a.jpg", "cat\u200b"), ("img/b.jpg", "cat")]))
    assert any("misspelling" in note for note in found.notes)
    found = read(folder, table(rows=[("img/a.jpg", "cat|dog"), ("img/b.jpg", "cat")]))
    assert any("a column named labels" in note for note in found.notes)


def test_whole_numbers_sort_as_numbers(folder):
    rows = [(f"{i}.jpg", str(i)) for i in range(12)]
    assert read(folder, table(rows=rows)).classes == tuple(str(i) for i in range(12))


def test_split_words_in_any_case(folder):
    words = ["Train ", "TESTING", "valid", "dev", "hold-out", "eval", ""]
    rows = [(f"{i}.jpg", "ab"[i % 2], word) for i, word in enumerate(words) if word != "hold-out"]
    found = read(folder, table(header=("path", "label", "Split"), rows=rows))
    assert [item.split for item in found] == ["train", "test", "val", "val", "test", None]
    rows = [(*row, split) for row, split in zip(ROWS, ("train", "test", "train"), strict=True)]
    found = read(folder, table(header=("path", "label", "subset"), rows=rows))
    assert [item.split for item in found] == ["train", "test", "train"]


@pytest.mark.parametrize(
    ("raw", "suffix"),
    [
        ("img/a.jpg,cat\nimg/b.jpg,dog\nimg/c.jpg,cat\n", ".csv"),
        ("img/a.jpg cat\nimg/b.jpg dog\nimg/c.jpg cat\n\n", ".txt"),
        ("img/c.jpg\tcat\nimg/a.jpg\tcat\nimg/b.jpg\tdog\n", ".tsv"),
        ("cat,img/a.jpg\ndog,img/b.jpg\ncat,img/c.jpg\n", ".csv"),
        ("0\tcat\timg/a.jpg\n1\tdog\timg/b.jpg\n2\tcat\timg/c.jpg\n", ".tsv"),
    ],
)
def test_lists_without_a_header_are_read_where_they_are_certain(folder, raw, suffix):
    found = read(folder, raw, suffix)
    assert pairs(found) == EXPECTED
    assert any("no header" in note for note in found.notes)


def test_a_list_without_a_header_may_name_splits(folder):
    found = read(folder, "TRAIN,img/a.jpg,cat\nTEST,img/b.jpg,dog\nUNASSIGNED,img/c.jpg,cat\n")
    assert pairs(found) == EXPECTED
    assert [item.split for item in found] == ["train", "test", None]


def test_a_column_that_can_only_be_one_thing_needs_no_known_name(folder):
    found = read(folder, table(header=("whatever", "kind"), rows=[*ROWS, ("pets/x1.png", "dog")]))
    assert pairs(found)[:3] == EXPECTED
    assert any("path = 'whatever', label = 'kind'" in note for note in found.notes)


def test_splits_told_by_truth_values(folder):
    rows = [(*row, truth) for row, truth in zip(ROWS, ("False", "True", "False"), strict=True)]
    found = read(folder, table(header=("name", "label", "is_valid"), rows=rows))
    assert [item.split for item in found] == ["train", "val", "train"]
    assert pairs(found) == EXPECTED
    rows = [(*row, truth) for row, truth in zip(ROWS, "101", strict=True)]
    found = read(folder, table(header=("path", "label", "is_train"), rows=rows))
    assert [item.split for item in found] == ["train", "test", "train"]


def test_columns_that_are_not_read_are_told(folder):
    rows = [(*row, "p1", "31") for row in ROWS]
    found = read(folder, table(header=("path", "label", "patient", "age"), rows=rows))
    assert any("not read: patient, age" in note for note in found.notes)
    rows = [(*row, "train", "True") for row in ROWS]
    found = read(folder, table(header=("path", "label", "split", "is_valid"), rows=rows))
    assert {item.split for item in found} == {"train"}
    assert any("not read: is_valid" in note for note in found.notes)
    # A class called y beside x and z is one of them; one that no image has is told.
    rows = [(path, *marks) for (path, _), marks in zip(ROWS, ("100", "010", "110"), strict=True)]
    found = read(folder, table(header=("path", "x", "y", "z"), rows=rows))
    assert found.classes == ("x", "y")
    assert any("no image has z" in note for note in found.notes)


@pytest.mark.parametrize(
    ("raw", "suffix", "says"),
    [
        ("path,label\nimg/a.jpg,cat\n./img/a.jpg,dog\nimg/b.jpg,dog\n", ".csv", "m.csv:3: .*dog here"),
        ("path,label\nimg\\a.jpg,cat\nimg/a.jpg,dog\n", ".csv", "dog here and cat in line 2"),
        ("path,label,split\na.jpg,cat,train\na.jpg,cat,test\nb.jpg,dog,train\n", ".csv", "test here and"),
        ("path,label\na.jpg\nb.jpg,dog\n", ".csv", "m.csv:2: label: .*none in this row"),
        ("path,label\na.jpg,nan\nb.jpg,dog\nc.jpg,cat\n", ".csv", "m.csv:2: label: .*no value"),
        ('path,label\na.jpg,"cat\nb.jpg,dog\n', ".csv", "m.csv:2: .*quote"),
        ('path,label\na.jpg,"ca\nt"\nb.jpg,dog\n', ".csv", "m.csv:2: label: .*one line"),
        ("path,label\na.jpg," + "x" * 200_000 + "\nb.jpg,dog\n", ".csv", "m.csv:2: .*131,072"),
        ("path,label\na.jpg," + "x" * 2_000 + "\nb.jpg,dog\n", ".csv", "m.csv:2: label: .*1,000"),
        ("path,label\na.jpg,ca\0t\nb.jpg,dog\n", ".csv", "m.csv:2: a zero byte"),
        ("path,label,label\na.jpg,cat,dog\n", ".csv", "a name of its own"),
        ("filename,file,label\na.jpg,b,cat\n", ".csv", "say which is the path: data.columns"),
        ("a.jpg,cat,2\nb.jpg,dog,2\n", ".csv", "no header"),
        ("a.jpg golden retriever\nb.jpg dog\n", ".txt", "no header"),
        ("TRAIN,gs://b/a.jpg,cat,0.1,0.2\nTEST,gs://b/b.jpg,dog,0.1,0.3\n", ".csv", "no header"),
        ("path,weight\na.jpg,0.31\nb.jpg,1.2\nc.jpg,0.4\n", ".csv", "which column is the label"),
        ("path,label\na.jpg,0.31\nb.jpg,1.2\nc.jpg,0.4\n", ".csv", "divide their range into classes"),
        ("path,label,is_train,is_test\na.jpg,cat,1,1\nb.jpg,dog,1,0\n", ".csv", "m.csv:2: .*one split"),
        ("emotion,pixels,Usage\n0,1 2,Training\n", ".csv", "which column is the path: --set 'data.columns="),
        ("path\na.jpg\nb.jpg\n", ".csv", "no labels in it"),
        ("path,label\n", ".csv", "no row below the header"),
        ("", ".csv", "the file is empty"),
        (",,\n,,\n", ".csv", "all cells are empty"),
        ("", ".jsonl", "there are none"),
        ("[]", ".json", "there are none"),
        ('{"images": [{"id": 1}], "annotations": []}', ".json", "a JSON list of objects"),
        ('{"path": "a.jpg", "label": "b"}\n{"path": "b.jpg"}x', ".json", "m.json:2: .*Extra data"),
        ("[" * 100_000, ".json", "expected JSON"),
        ('{"path": "a.jpg", "label": 0.0}\n', ".jsonl", "whole number"),
        ('{"path": "a.jpg", "label": {"x": 1}}\n', ".jsonl", "the name of a class"),
        (b"PK\x03\x04\x00\x00\x00\x00\x08\x00\xff\xfe\x00", ".csv", "zero byte"),
        ("path,label\n" + "a" * 5000 + ",cat\nb.jpg,dog\n", ".csv", "a path on one line"),
        ("path,label,split\na.jpg,cat,trian\n", ".csv", "did you mean 'train'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_clear_line(folder, raw, suffix, says):
    with pytest.raises(UserError, match=says) as caught:
        read(folder, raw, suffix)
    assert len(caught.value.faults) == 1
    assert len(caught.value.faults[0]) < 400


def test_several_labels_as_people_divide_them(folder):
    def classes(*cells):
        rows = [(f"{i}.jpg", cell) for i, cell in enumerate(cells)]
        found = read(folder, table("\t", ("path", "labels"), rows))
        return [found.names_of(item) for item in found], found.notes

    assert classes("cat;dog", "dog")[0] == [("cat", "dog"), ("dog",)]
    assert classes("clear road", "clear", "road haze", "haze clear")[0][0] == ("clear", "road")
    assert classes("['cat', 'dog']", "['dog']")[0] == [("cat", "dog"), ("dog",)]
    assert classes("red fox", "red panda", "blue whale")[0] == [("red fox",), ("red panda",), ("blue whale",)]
    found, notes = classes("cat dog", "dog")
    assert found == [("cat dog",), ("dog",)]
    assert any("'cat dog' is one class" in note for note in notes)


def test_columns_are_named_by_the_user(folder):
    rows = [(p, "x", c) for p, c in ROWS]
    text = table(header=("where", "label", "kind"), rows=rows)
    assert pairs(read(folder, text, columns={"path": "where", "label": "kind"})) == EXPECTED
    assert pairs(read(folder, text, columns={"path": "Where", "label": "KIND"})) == EXPECTED
    with pytest.raises(UserError, match=r"data\.columns\.path: received 'wher'.*did you mean 'where'"):
        read(folder, text, columns={"path": "wher", "label": "kind"})


def test_a_column_without_endings_meets_the_folder_beside_it(folder):
    found = read(folder, "id,breed\nx1,beagle\nx2,pug\n")
    assert pairs(found) == [("x1.png", "beagle"), ("x2.png", "pug")]
    assert any("pets/x1.png" in note for note in found.notes)
    (folder / "more").mkdir(exist_ok=True)
    for name in ("x1.png", "x2.png"):
        Image.new("RGB", (8, 8)).save(folder / "more" / name)
    with pytest.raises(UserError, match=r"2 places.*data\.root=.*more"):
        read(folder, "id,breed\nx1,beagle\nx2,pug\n")
    found = read(folder, "id,breed\nx1,beagle\nx2,pug\n", root=str(folder / "more"), path_suffix=".png")
    assert [item.path.parent.name for item in found] == ["more", "more"]
    for name in ("x1.png", "x2.png"):
        (folder / "more" / name).unlink()


def test_paths_of_another_machine_start_from_the_root_that_is_said(folder):
    for prefix in ("/kaggle/input/pets/", "C:\\Users\\me\\"):
        text = table(rows=[(prefix + path, label) for path, label in ROWS])
        found = read(folder, text)
        assert not any(item.path.is_file() for item in found)
        assert "data.root" in found.missing_hint
        found = read(folder, text, root=str(folder))
        assert pairs(found) == EXPECTED
        assert all(item.path.is_file() for item in found)
    with pytest.raises(UserError, match=r"data\.root: received .*expected a folder"):
        read(folder, table(), root=str(folder / "nowhere"))


def test_spellings_of_paths_are_hinted(folder):
    found = read(folder, "path,label\nspaced/my%20photo.jpg,cat\nimg/b.jpg,dog\n")
    assert "my photo.jpg is there" in found.missing_hint
    found = read(folder, "path,label\nimg/a.JPEG,cat\nimg/b.jpg,dog\n")
    assert "a.jpg is there" in found.missing_hint
