"""Whatever is thrown at the parser: a recipe, or lines for the user. Whatever it reads, it can write."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as HypothesisPhase
from hypothesis import strategies as st

from transferkit.errors import UserError
from transferkit.recipe import load, recipe_files
from transferkit.recipe.overrides import split_override
from transferkit.recipe.recipe import Recipe
from transferkit.registry import registry

KEYS = sorted({*Recipe.model_fields, "extends", "kind", "name", "learning_rate", "until", "last", "match"})
common = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # A failing example is small enough as it is drawn; making it smaller takes minutes.
    phases=(HypothesisPhase.explicit, HypothesisPhase.reuse, HypothesisPhase.generate),
)


@functools.lru_cache(maxsize=1)
def scratch() -> str:
    return os.path.join(tempfile.mkdtemp(), "any.toml")


def read(text: bytes) -> Recipe | None:
    with open(scratch(), "wb") as file:
        file.write(text)
    try:
        return load(scratch())
    except UserError as error:
        lines = error.faults
    assert all(line and "\n" not in line for line in lines), lines
    return None


@common
@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(text):
    read(text)


_scalars = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(repr),
    st.sampled_from(["true", "false", "1e400", "2024-01-01", "07:30:00", '""', "[]", "{}", "[[1]]", '"all"']),
    st.sampled_from(
        [f'"{name}"' for name in (*registry("heads").names(), "adam", "robust", "a:b", ":", "..:x")]
    ),
)
_tables = st.dictionaries(st.sampled_from(KEYS), _scalars, max_size=4).map(
    lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
)
_lines = st.dictionaries(
    st.sampled_from(KEYS), st.one_of(_scalars, _tables, _tables.map(lambda t: f"[{t}, {t}]")), max_size=6
)


@common
@given(_lines)
def test_no_toml_ends_in_a_traceback(values):
    recipe = read("\n".join(f"{key} = {value}" for key, value in values.items()).encode())
    if recipe is not None:
        assert read(recipe.to_toml().encode()) == recipe


@common
@given(st.text(max_size=60))
def test_no_override_ends_in_a_traceback(text):
    try:
        keys, _ = split_override(text)
    except UserError:
        return
    assert keys
    assert all(keys)
    with contextlib.suppress(UserError):
        load(overrides=[text])


_phase = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.integers(50, 10**9),
        "batch_size": st.integers(1, 4096),
        "freeze": st.one_of(
            st.sampled_from(["all", "none"]),
            st.builds(dict, until=st.text(min_size=1, max_size=8)),
            st.builds(dict, last=st.integers(1, 99)),
            st.builds(dict, fraction=st.floats(0, 1)),
            st.just([{"match": "block_.*", "trainable": True, "lr_multiplier": 0.1}]),
        ),
        "optimizer": st.sampled_from(
            ["sgd", "adamw", {"name": "rmsprop", "learning_rate": 1e-4, "rho": 0.5}]
        ),
        "schedule": st.one_of(
            st.sampled_from(["cosine", "one_cycle", "polynomial", "step_on_plateau"]),
            st.just({"kind": "piecewise_constant", "boundaries": [3, 4.5], "values": [1e-3, 1e-4, 1e-300]}),
        ),
        "early_stopping": st.one_of(st.just(False), st.builds(dict, patience=st.integers(1, 9))),
        "ema": st.floats(0.01, 0.99),
        "gradient_clipping": st.one_of(st.floats(1e-6, 1e6), st.builds(dict, value=st.floats(1e-6, 1e6))),
        "time_budget": st.one_of(st.floats(1e-3, 1e6), st.sampled_from(["90s", "1.5h", "10m"])),
        "mixed_precision": st.booleans(),
        "layer_decay": st.floats(0.01, 1),
    },
)
_recipe = st.fixed_dictionaries(
    {"description": st.text(max_size=20), "seed": st.integers(0, 2**31 - 1)},
    optional={
        "phases": st.lists(_phase, max_size=3),
        "head": st.sampled_from(
            ["linear", "cosine", "ridge", {"kind": "mlp", "sizes": [3, 4], "dropout": 0.5}]
        ),
        "augmentation": st.sampled_from(
            [{"flip": True}, {"crop": 0.5, "mixup": {"alpha": 0.3, "at": "cut"}}, {"flip": False}]
        ),
        "backbone": st.builds(
            dict, name=st.text(min_size=1, max_size=9), options=st.just({"alpha": 0.25, "x": "é"})
        ),
        "sweep": st.builds(
            dict,
            values=st.just(
                {"optimizer.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "seed": [1, 2]}
            ),
        ),
    },
)


@common
@given(st.sampled_from(sorted(recipe_files())), _recipe, _phase)
def test_a_recipe_that_is_written_and_read_again_is_equal(parent, values, top):
    given = {**values, **top}
    if parent == "best":
        # It chooses the head and the run itself.
        given = {key: value for key, value in given.items() if key not in ("head", "sweep")}
    if "head" not in given and load(parent).head.options.get("features", "last") != "last":
        # A head over several levels is for a backbone that is frozen as a whole, and a recipe says so itself.
        given.pop("freeze", None)
        given["phases"] = [
            {key: value for key, value in phase.items() if key != "freeze"}
            for phase in given.get("phases", [])
        ]
    recipe = load(parent, **given)
    again = read(recipe.to_toml().encode())
    assert again == recipe
    assert again is not None
    assert again.sha256() == recipe.sha256()
    assert again.resolved_phases == recipe.resolved_phases
    assert again.to_toml() == recipe.to_toml()


def test_the_hash_is_of_the_values():
    assert load("retrain").sha256() == load("retrain").sha256()
    assert load("retrain").sha256() != load("retrain", ["seed=1"]).sha256()
    with pytest.raises(UserError):
        load("retrain", ["seed=-1"])
