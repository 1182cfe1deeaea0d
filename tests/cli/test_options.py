"""Tables: figures to the right, and within a terminal's width."""

from __future__ import annotations

import io
import sys

from transferkit.cli._options import echo_lines, table


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_figures_stand_to_the_right_and_text_to_the_left():
    rows = [("a", 1, "0.500", "3%", "1 of 2"), ("bcd", None, "–", "12%", "2")]
    assert table(rows, ("name", "n", "share", "part", "text")).splitlines() == [
        "name  n  share  part  text",
        "a     1  0.500    3%  1 of 2",
        "bcd          –   12%  2",
    ]


def test_a_table_fits_the_terminal_and_only_that(monkeypatch):
    rows = [("x" * 90, "y" * 50, 12345.0)]
    header = ("long", "longer", "figure")
    assert len(table(rows, header).splitlines()[1]) == 90 + 50 + 2 * 2 + 9
    monkeypatch.setattr(sys, "stdout", Terminal())
    for columns in (80, 120, 30):
        monkeypatch.setenv("COLUMNS", str(columns))
        first, second = table(rows, header).splitlines()
        assert len(second) == columns
        assert second.endswith("1.234e+04")
        assert second.count("…") >= 1
        assert first.startswith("long")
    monkeypatch.setenv("COLUMNS", "10")
    assert "xxxxxxx…  yyyyyyy…" in table(rows, header)


def test_what_a_row_is_of_is_not_cut_where_something_else_can_be(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    shown = table([("efficientnet_lite0", "words that say what it is for")], ("name", "for"))
    assert "efficientnet_lite0" in shown
    assert max(map(len, shown.splitlines())) == 40


def test_long_lines_go_on_below_themselves_in_a_terminal_alone(monkeypatch, capsys):
    line = "next    " + "more photos of roses " * 5
    echo_lines(line)
    assert capsys.readouterr().out.splitlines() == [line]
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "40")
    echo_lines(line + "\npredict transferkit predict runs/a/very/long/name IMAGE", 8, ("predict ",))
    *parts, command = screen.getvalue().splitlines()
    assert len(parts) >= 3
    assert all(len(part) <= 40 and part.startswith((" " * 8, "next    ")) for part in parts)
    assert command == "predict transferkit predict runs/a/very/long/name IMAGE"
