"""What people hand to the functions for Python first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.runs.prediction.arguments import check_count, places_of


def test_one_path_or_several():
    assert places_of("a.jpg") == ["a.jpg"]
    assert places_of(Path("a.jpg")) == [Path("a.jpg")]
    assert places_of(one for one in ("a.jpg", Path("b"))) == ["a.jpg", Path("b")]
    assert places_of(np.array(["a.jpg", "b.jpg"])) == ["a.jpg", "b.jpg"]
    assert places_of([]) == []


@pytest.mark.parametrize("given", [None, 3, b"\xff\xd8", np.zeros((4, 4, 3)), [b"x"], ["a.jpg", None], [[]]])
def test_what_is_no_path_is_said_with_what_takes_it(given):
    with pytest.raises(UserError, match=r"Run\.predict"):
        places_of(given)


@pytest.mark.parametrize("count", [0, -1, "3", None, 1.5, True])
def test_a_count_is_a_whole_number_from_1(count):
    with pytest.raises(UserError, match="from 1"):
        check_count("top", count)
    check_count("top", np.int64(1))
