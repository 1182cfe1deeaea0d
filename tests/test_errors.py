"""Errors say place, what was received, what was expected, and a hint."""

from __future__ import annotations

import doctest

import pytest

from transferkit import errors
from transferkit.errors import Faults, UserError


def test_examples_of_the_docstrings_hold():
    results = doctest.testmod(errors)
    assert results.attempted >= 2
    assert results.failed == 0


def test_all_faults_are_kept_and_printed_a_line_each():
    error = errors.UserError("a: 1", "b: 2")
    assert error.faults == ("a: 1", "b: 2")
    assert str(error) == "a: 1\nb: 2"
    assert error.exit_code == 2
    assert errors.GateError("x").exit_code == 1
    with pytest.raises(TypeError):
        errors.UserError()


def test_near_names_ignore_case_and_stay_silent_when_nothing_is_near():
    assert errors.did_you_mean("MobileNetv2", ["mobilenet_v2"]) == "did you mean 'mobilenet_v2'?"
    assert errors.did_you_mean("zzz", ["mobilenet_v2"]) is None


def test_faults_add_up_and_are_raised_together_each_once():
    faults = Faults()
    faults.refuse()
    for worded in (str, "beside {}".format, str):
        with faults.caught(worded):
            raise UserError("a: wrong", "b: wrong")
    with pytest.raises(UserError) as caught:
        faults.refuse()
    assert caught.value.faults == ("a: wrong", "b: wrong", "beside a: wrong", "beside b: wrong")
    # A fault of our own is no fault of the user's.
    with pytest.raises(ValueError, match="own"), faults.caught():
        raise ValueError("own")
