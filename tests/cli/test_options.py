"""Tables: figures to the right, and within a terminal's width."""

from __future__ import annotations

import io
import sys

from transferkit.cli._options import table


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
