"""What is said of a run that was made from another one, and what an older version wrote."""

from __future__ import annotations

import json

import pytest

from transferkit.runs.extend.changes import FILE, Changes, read_changes


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (Changes("r", "extend", photos=1), "extended from r: 1 photo more"),
        (
            Changes("r", "extend", added=("a", "b"), photos=9),
            "extended from r: 9 photos more, among them the new classes 'a', 'b'",
        ),
        (Changes("r", "forget", photos=2), "made from r without 2 photos"),
        (
            Changes("r", "forget", removed=("a",), photos=12),
            "made from r without class 'a', 12 photos less",
        ),
        # Photos of several labels stay without the one.
        (
            Changes("r", "forget", removed=("a",)),
            "made from r without class 'a'; its photos stay with their other labels",
        ),
    ],
)
def test_the_first_line_says_what_came_or_went(changes, line):
    assert changes.headline() == line


def test_what_was_written_is_read_also_where_it_lacks_what_came_later(tmp_path):
    changes = Changes("r", "forget", removed=("a",), notes=("one",), tuned=True)
    changes.write(tmp_path)
    assert read_changes(tmp_path) == changes
    written = json.loads((tmp_path / FILE).read_text("utf-8"))
    del written["tuned"]
    (tmp_path / FILE).write_text(json.dumps(written), "utf-8")
    assert read_changes(tmp_path).tuned is False
    (tmp_path / FILE).write_text("{", "utf-8")
    assert read_changes(tmp_path) is None
