"""Names that no text file takes, and the order of classes."""

from __future__ import annotations

import os

import pytest

from transferkit.data.file_names import class_name_faults, class_order, shown


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain.png", "plain.png"),
        ("Löwenzahn 向日葵".encode(), "Löwenzahn 向日葵"),
        (b"caf\xe9.png", r"caf\xe9.png"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"back\\slash", "back\\slash"),
    ],
)
def test_a_name_from_the_disk_can_be_written_as_utf8(raw, expected):
    assert shown(os.fsdecode(raw)) == expected
    shown(os.fsdecode(raw)).encode("utf-8")


def test_a_surrogate_that_no_disk_gave_can_be_written_too():
    assert shown("a\ud800b") == r"a\ud800b"


def test_integers_sort_as_numbers_and_everything_else_by_code_point():
    assert class_order(map(str, range(12))) == tuple(map(str, range(12)))
    assert class_order(["-1", "10", "+2", "01", "1"]) == ("-1", "01", "1", "+2", "10")
    assert class_order(["10", "9", "nine"]) == ("10", "9", "nine")
    assert class_order(["1.5", "10"]) == ("1.5", "10")
    assert class_order(["²", "10"]) == ("10", "²")


def test_class_names_that_no_label_file_can_hold_are_named():
    fine = ["a\tb", " space ", '<b>&"q"\'', "a=b,c|d", "🌹", "قطة", "back\\slash"]
    assert class_name_faults(fine) == []
    odd = ["new\nline", "end\r", "\u2028", "a\x85b", os.fsdecode(b"tulp\xe9")]
    faults = class_name_faults(odd)
    assert len(faults) == len(odd)
    assert "rename" in faults[0]
    assert r"tulp\xe9" in faults[-1]
