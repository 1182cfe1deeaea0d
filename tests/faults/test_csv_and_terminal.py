"""Names that strangers chose: no formula in a spreadsheet, no order to a terminal."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit.cli import main
from transferkit.cli._options import json_text, table
from transferkit.cli._terminal import PrintableStream
from transferkit.data.splits.split import Ledger, Row
from transferkit.errors import UserError, fault, one_line, printable
from transferkit.evaluation.predictions import read_predictions, write_predictions
from transferkit.files import csv_files

FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")', "+1+cmd", "-1+cmd", "@SUM(1)", "\t=1", "\r=1",
    "\n=1", "＝1+1", "-rose", "+", "'=1", "''=1",
]  # fmt: skip
PLAIN = ["rose", "'tis", "", "a=b", "-0.5", "1e-3", "+7", "-inf", "3", " =1", "é"]
ORDERS = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\x1bc",
    "\r",
    "\b" * 8,
    "\x7f",
    "\u202e",
    "\u2066",
    "\x00",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text(text):
    assert csv_files.safe(text).startswith("'")
    assert csv_files.plain(csv_files.safe(text)) == text


@pytest.mark.parametrize("text", [*PLAIN, 3, -0.5, None, True])
def test_all_else_stays(text):
    assert csv_files.safe(text) == text
    if isinstance(text, str):
        assert csv_files.plain(text) == text


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from("'=+-@\t\r\n,\"1")))))
def test_whatever_is_written_is_read_back(rows):
    rows = [row for row in rows if row]
    file = io.StringIO(newline="")
    csv_files.Writer(file).writerows(rows)
    file.seek(0)
    assert list(csv_files.Reader(file)) == rows
    # And no cell, as a spreadsheet splits them, begins a formula, unless it is a number.
    file.seek(0)
    for row in csv.reader(file):
        for cell in row:
            assert not re.match("[=+@\t\r\n＝＋－＠-]", cell) or re.fullmatch(
                r"[+-]?[\d.einfa]+[+-]?\d*", cell
            )


def test_ledger_and_predictions_give_the_names_back(tmp_path):
    names = tuple(FORMULAS)
    rows = tuple(Row(f"{i:064x}", name, name, "train") for i, name in enumerate(names))
    Ledger(rows).write(tmp_path / "split.csv")
    assert Ledger.read(tmp_path / "split.csv").rows == rows

    from transferkit.evaluation import evaluate

    probabilities = np.eye(len(names), dtype=np.float32) * 0.5 + 0.5 / len(names)
    made = evaluate(np.arange(len(names)), probabilities, names, paths=names, resamples=0)
    read = read_predictions(write_predictions(made, tmp_path / "predictions.csv"))
    assert (read.classes, read.paths) == (names, names)
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r\n＝" and cell]


def test_only_one_module_writes_csv_files():
    """Whoever writes another one gets the quoting by using it."""
    from pathlib import Path

    import transferkit

    package = Path(transferkit.__file__).parent
    writers = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"csv\.(Dict)?[wW]riter\(", path.read_text("utf-8"))
    ]
    assert writers == ["csv_files.py"]


@pytest.mark.parametrize("order", ORDERS)
def test_orders_are_shown(order):
    shown = printable(f"a{order}b")
    assert order not in shown
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert one_line("a\nb\tc") == "a\\nb\\tc"
    assert printable("é 漢字 😀\n\t") == "é 漢字 😀\n\t"
    assert order not in fault(f"data: {order}", order, order + "x").partition("expected")[0]


def test_bytes_of_names_that_are_no_text_are_shown():
    assert printable(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"


@pytest.mark.parametrize("order", ORDERS)
def test_json_is_exact_all_the_same(order):
    value = {f"a{order}b": [order, "é"]}
    text = json_text(value, indent=2)
    assert json.loads(text) == value
    assert printable(text) == text
    assert "é" in text


def test_a_table_keeps_its_rows():
    assert len(table([("a\nb", 1), ("c\x1b[2J", 2)], ("name", "count")).splitlines()) == 3


def test_streams_show_what_is_printed():
    inner = io.StringIO()
    out = PrintableStream(inner)
    print("a\x1b[2J\rb", file=out)
    assert inner.getvalue() == "a\\x1b[2J\\x0db\n"
    inner = io.StringIO()
    bars = PrintableStream(inner, bars=True)
    bars.write("\rread: 10%\r")
    bars.write("name\rwith\x1b[A return")
    assert inner.getvalue() == "\rread: 10%\rname\\x0dwith\\x1b[A return"
    assert not hasattr(out, "buffer")
    bars.close()
    assert not inner.closed


def test_an_old_terminal_gets_what_it_can_show():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii", write_through=True)
    print("naïve 漢", file=PrintableStream(stream))
    assert raw.getvalue() == b"na\\xefve \\u6f22\n"


@pytest.mark.parametrize("verb", ["show", "show --resolved", "explain", "validate", "list", "diff"])
def test_the_command_line_sends_no_order(tmp_path, monkeypatch, capsys, verb):
    """Recipe values and names of recipe files, in results and in faults."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    name = "bad\x1b[2Jname"
    text = 'description = "\\u001B[2J\\u009b2J"\nname = "\\u202Ex"\n'
    (tmp_path / "recipes" / f"{name}.toml").write_text(text)
    arguments = ["recipes", *verb.split()]
    arguments += [] if verb == "list" else [f"recipes/{name}.toml"]
    arguments += ["retrain"] if verb == "diff" else []
    for broken in (False, True):
        if broken:
            (tmp_path / "recipes" / f"{name}.toml").write_text(text + '"\\u001B[2Jkey" = "\\u001B[2J"\n')
        with pytest.raises(SystemExit):
            main(arguments)
        said = capsys.readouterr()
        for line in (said.out + said.err).splitlines():
            assert printable(line) == line
        assert bool(said.err) == broken
        assert re.search(r"\\(x1b|u001[bB])\[2J", said.out + said.err)


def test_names_of_files_and_classes(tmp_path, capsys):
    for place in ("a\x1b[2J", "b\u202e"):
        (tmp_path / "photos" / place).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "photos" / place / f"{number}\x1b[31m\r.jpg").write_bytes(b"no image")
    with pytest.raises(SystemExit):
        main(["data", "check", str(tmp_path / "photos")])
    said = capsys.readouterr()
    assert "\\x1b[31m" in said.out + said.err
    for line in (said.out + said.err).split("\n"):
        assert printable(line) == line, repr(line)


def test_users_errors_are_lines(capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise UserError("a\x1b[2Jb\rc")

    monkeypatch.setattr("transferkit.cli.cli.main", fail)
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().err == "transferkit: a\\x1b[2Jb\\x0dc\n"
