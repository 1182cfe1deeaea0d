"""No recipe, card or pattern keeps the program busy: it is read, or refused in a line, within seconds."""

from __future__ import annotations

import time

import pytest

from transferkit.errors import UserError, did_you_mean
from transferkit.find_card import load_card
from transferkit.freezing.patterns import matches
from transferkit.recipe import load
from transferkit.recipe_limits import MOST_BYTES, MOST_FAULTS, MOST_TRIALS

# Generous: the slowest takes 4 s on two cores; before there were bounds, many ran for over a minute.
SECONDS = 20


def many(count, line):
    return "".join(line.format(i) + "\n" for i in range(count))


REFUSED = {
    "ten megabytes": ("description = '" + "x" * 10_000_000 + "'", "larger than"),
    "a long text": ("description = '" + "x" * 100_000 + "'", "100,000 characters"),
    "unknown keys": (many(30_000, "k{} = 1"), "more faults"),
    "a deep key": (".".join("a" * 100_000) + " = 1", "at most 16 parts"),
    "a deep key in quotes": (".".join(['"a b"'] * 20_000) + " = 1", "at most 16 parts"),
    "a deep key inside a value": ("head = {" + ".".join("a" * 50_000) + " = 1}", "at most 16 parts"),
    "a deep table": ("[" + " . ".join("a" * 50_000) + "]", "at most 16 parts"),
    "deep arrays": ("epochs = " + "[" * 200 + "]" * 200, "levels of tables and arrays"),
    "very deep arrays": ("epochs = " + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "deep tables": ("head = " + "{a=" * 90 + "1" + "}" * 90, "levels of tables and arrays"),
    "phases": (many(20_000, "[[phases]]\nname='p{}'"), "expected at most 100"),
    "rules": ("freeze=[" + "{match='a',trainable=true}," * 5_000 + "]", "expected at most 500"),
    "wrong rules": ("freeze=[" + "{mtch='a',trainable=true}," * 400 + "]", "did you mean 'match'"),
    "values of a sweep": (
        f"[sweep.values]\nbatch_size=[{','.join(map(str, range(1, 50_000)))}]",
        "values in all",
    ),
    "a grid": ("[sweep.values]\n" + many(5, "'a.k{}'=[1,2,3,4,5,6,7,8,9,10]"), "100,000 trials"),
    "trials": ("[sweep]\nmethod='random'\ntrials=1000000000", f"less than or equal to {MOST_TRIALS}"),
    "a huge integer": ("epochs = 1" + "0" * 400, "64 bits"),
    "an integer that Python refuses": ("epochs = 1" + "0" * 5_000, "no valid TOML"),
    "formats": (f"[export]\nformats=[{','.join(repr(f'x{i}') for i in range(20_000))}]", "more faults"),
    "augmentations": ("[augmentation]\n" + many(20_000, "k{} = 1"), "more faults"),
    "arguments": (
        "optimizer = {name='adam'," + ",".join(f"k{i}=1" for i in range(20_000)) + "}",
        "more faults",
    ),
    "a long pattern": ("freeze=[{match='" + "(a*)*" * 2_000 + "',trainable=true}]", "at most 500 characters"),
    "look-ahead": ("freeze=[{match='(?=a)b',trainable=true}]", "may take forever"),
    "back-reference": (r"freeze=[{match='(a)\1',trainable=true}]", "may take forever"),
    "a long name": ("backbone = 'x'\nkeep_metric = '" + "y" * 19_000 + "'", "keep_metric"),
    "a circle": ("extends = './recipe.toml'", "extends itself"),
}
TAKEN = {
    "weights of 9 000 classes": "[loss]\nkind='cross_entropy'\nclass_weights={"
    + ",".join(f"'class {i}'=1.5" for i in range(9_000))
    + "}",
    "500 values of a sweep": f"[sweep.values]\nseed=[{','.join(map(str, range(500)))}]",
    "100 phases": many(100, "[[phases]]\nname='p{}'\nepochs=1"),
}


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _in_time():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize(("text", "part"), REFUSED.values(), ids=REFUSED)
def test_what_no_recipe_has_is_refused(tmp_path, text, part):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(UserError) as refused:
        load("./recipe.toml")
    assert part in str(refused.value)
    # A line may be long where it lists what is known, but not by what was received.
    assert len(refused.value.faults) <= 13 * MOST_FAULTS
    assert max(map(len, refused.value.faults)) < 1_000


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_what_somebody_may_mean_is_read(tmp_path, text):
    assert len(text) < MOST_BYTES
    (tmp_path / "recipe.toml").write_text(text)
    load("./recipe.toml")


def test_large_tables_over_each_other(tmp_path):
    text = TAKEN["weights of 9 000 classes"]
    (tmp_path / "parent.toml").write_text(text)
    (tmp_path / "recipe.toml").write_text("extends = './parent.toml'\n" + text.replace("1.5", "2.5"))
    weights = load("./recipe.toml").loss.options["class_weights"]
    assert len(weights) == 9_000
    assert set(weights.values()) == {2.5}


def test_values_of_calls_have_the_same_bounds():
    for given in ("x" * 10_000_000, 10**30, [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]):
        with pytest.raises(UserError, match="at most"):
            load(overrides=[("data.path", given)])


def test_circles_of_parents(tmp_path):
    for number in range(40):
        (tmp_path / f"r{number}.toml").write_text(f"extends = './r{(number + 1) % 40}.toml'\n")
    with pytest.raises(UserError, match="extends itself"):
        load("./r0.toml")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "a.toml").write_text("extends = 'b'\n")
    (tmp_path / "recipes" / "b.toml").write_text("extends = 'a'\n")
    with pytest.raises(UserError, match="extends itself"):
        load("a")


def test_files_that_never_end_are_no_recipes(tmp_path):
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no such file"):
        load("./zero.toml")


def test_cards_have_bounds_too(tmp_path):
    for text in ("summary = '" + "x" * 1_000_000 + "'", "[" + ".".join("a" * 50_000) + "]"):
        (tmp_path / "card.toml").write_text(text)
        with pytest.raises(UserError):
            load_card("./card.toml")
    with pytest.raises(UserError):
        load_card("x" * 10_000)


def test_a_pattern_takes_linear_time():
    name = "a" * 200
    for pattern in ("(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*a){20}b", "(a*)*" * 80 + "b", "(?:(?:a?){50}){19}b"):
        assert not matches(pattern, [name] * 100, "freeze rule 1").any()
    assert matches("(a+)+", [name, "b"], "freeze rule 1").tolist() == [True, False]


def test_patterns_mean_what_they_meant():
    """RE2 and Python agree on whole names, as rules use them."""
    import re

    names = ["Conv1", "block_1_expand", "block_10_project_BN", "block_16_out", "conv-x.y", "", "stem/out"]
    for pattern in (
        ".*", "block_1[0-6]_.*", r"block_\d+_.*", "(?i)CONV1", "conv.x.y", "a|b|Conv1",
        r"(?:block_(?:1|16))_\w+",
        "^Conv1$", r"[\w/]+", "[^b].*", "block_1.*?", "Conv1|", "(?P<stage>block)_.*",
    ):  # fmt: skip
        expected = [re.fullmatch(pattern, name) is not None for name in names]
        assert matches(pattern, names, "freeze rule 1").tolist() == expected, pattern


def test_what_only_re2_refuses_is_said_too():
    with pytest.raises(UserError, match=r"freeze rule 3: .*repetition size"):
        matches("((a{1,900}){1,900})", ["a"], "freeze rule 3")


def test_long_names_are_compared_with_nothing():
    assert did_you_mean("mobilenet" * 1_000_000, ["mobilenet"]) is None
