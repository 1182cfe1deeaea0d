"""Engines: each gives the network's own result, the chooser refuses what does not, and remembers."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest

from transferkit.activations.cache import Cache
from transferkit.activations.engines import choose_engine as choosing
from transferkit.activations.engines import make_engine as making
from transferkit.activations.engines.choose_engine import TOLERANCE, available, choose_engine
from transferkit.activations.engines.prefix_engine import FoldedEngine, TensorFlowEngine, folded_file, trace
from transferkit.errors import UserError

SIZE = (16, 24)


@pytest.fixture
def sample() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (9, *SIZE, 3), dtype=np.uint8)


def needs_openvino() -> None:
    if "openvino" not in available():
        pytest.skip("needs OpenVINO on a machine without accelerator")


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("count", [1, 5, 9])
def test_every_engine_gives_the_networks_own_result(cut, deep_cut, sample, tmp_path, name, count):
    for one in (cut, deep_cut):
        engine = choose_engine(one, SIZE, sample, name, Cache(tmp_path))
        result = engine(sample[:count])
        assert result.dtype == np.float32
        wanted = np.asarray(one.prefix(sample[:count]))
        assert np.abs(result - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_an_image_has_one_result_whatever_stands_beside_it(cut, sample, tmp_path):
    engine = choose_engine(cut, SIZE, sample, "auto", Cache(tmp_path))
    alone = np.concatenate([engine(sample[at : at + 1]) for at in range(len(sample))])
    np.testing.assert_allclose(engine(sample), alone, rtol=1e-5, atol=1e-6)


def test_xla_fills_up_the_last_batch(cut, sample):
    engine = TensorFlowEngine(trace(cut, SIZE), jit=True, batch=4)
    np.testing.assert_allclose(engine(sample), np.asarray(cut.prefix(sample)), rtol=1e-4, atol=1e-5)


def test_the_choice_is_remembered_and_compiled_once(cut, sample, tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    first = choose_engine(cut, SIZE, sample, "auto", cache)
    (file,) = cache.choices.iterdir()
    kept = json.loads(file.read_text())
    assert kept["engine"] == first.name
    assert set(kept["agree"]) <= set(available())

    def never(*args, **kwargs):
        raise AssertionError("traced although the compiled model is kept")

    monkeypatch.setattr(making, "trace", never)
    again = choose_engine(cut, SIZE, sample, "auto", Cache(tmp_path))
    assert again.name == first.name
    np.testing.assert_allclose(again(sample), np.asarray(cut.prefix(sample)), rtol=1e-4, atol=1e-5)


def test_another_cut_or_size_is_another_choice(cut, sample, tmp_path):
    cache = Cache(tmp_path)
    choose_engine(cut, SIZE, sample, "auto", cache)
    other = SimpleNamespace(prefix=cut.prefix, shape=cut.shape, fingerprint="00" * 32)
    choose_engine(other, SIZE, sample, "auto", cache)
    assert len(list(cache.choices.iterdir())) == 2


@pytest.mark.parametrize("fault", ["wrong", "nan", "shape", "raises"])
def test_an_engine_that_does_not_agree_is_left_out(cut, sample, tmp_path, monkeypatch, caplog, fault):
    needs_openvino()

    class Broken:
        name = "openvino"

        def __init__(self, file, folder, size, shape) -> None:
            if fault == "raises":
                raise RuntimeError("cannot convert this")

        def __call__(self, images):
            right = np.asarray(cut.prefix(images))
            return {
                "wrong": right + 2 * TOLERANCE * np.abs(right).max(),
                "nan": right * np.nan,
                "shape": right[:, :-1],
            }[fault]

    monkeypatch.setattr(making, "OpenVINOEngine", Broken)
    with caplog.at_level(logging.WARNING, "transferkit.activations"):
        engine = choose_engine(cut, SIZE, sample, "auto", Cache(tmp_path))
    assert engine.name == "tensorflow"
    assert "openvino engine is left out" in caplog.text
    with pytest.raises(UserError, match=r"activations\.engine"):
        choose_engine(cut, SIZE, sample, "openvino", Cache(tmp_path / "other"))


def test_the_fastest_that_agrees_is_taken(cut, sample, monkeypatch):
    needs_openvino()
    speeds = {"openvino": 10.0, "tensorflow": 20.0}
    monkeypatch.setattr(choosing, "_speed", lambda engine, images: speeds[engine.name])
    assert choose_engine(cut, SIZE, sample).name == "tensorflow"
    speeds["openvino"] = 30.0
    assert choose_engine(cut, SIZE, sample).name == "openvino"


@pytest.mark.parametrize(
    ("openvino", "count", "wanted"),
    [(50.0, None, False), (31.9, None, True), (31.9, 8, False), (31.9, 10**6, True)],
)
def test_what_cannot_save_its_building_is_not_built(cut, sample, monkeypatch, openvino, count, wanted):
    needs_openvino()
    built = note_builds(monkeypatch, {"openvino": openvino, "tensorflow": 20.0})
    assert choose_engine(cut, SIZE, sample, count=count).name == "openvino"
    assert bool(built) == wanted


def test_a_choice_for_few_images_does_not_stand_for_many(cut, sample, tmp_path, monkeypatch):
    needs_openvino()
    speeds = {"openvino": 31.9, "tensorflow": 20.0}
    built = note_builds(monkeypatch, speeds)
    for count in (8, 9):
        choose_engine(cut, SIZE, sample, "auto", Cache(tmp_path), count)
    assert not built
    choose_engine(cut, SIZE, sample, "auto", Cache(tmp_path), 10**6)
    assert len(built) == 1
    choose_engine(cut, SIZE, sample, "auto", Cache(tmp_path), 10**6)
    assert len(built) == 1, "now both are known"


def note_builds(monkeypatch, speeds):
    """What is built. At 31.9 against 1.6 x 20 an image saves 0.1 ms: no time of building matters here."""
    built = []
    monkeypatch.setattr(choosing, "_speed", lambda engine, images: speeds[engine.name])
    monkeypatch.setattr(making, "FoldedEngine", lambda file: built.append(file) or FoldedEngine(file))
    return built


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: b"", lambda data: data[:-5] + b"\xff" * 5]
)
def test_a_torn_folded_graph_is_made_again(cut, sample, tmp_path, damage):
    file = folded_file(lambda: trace(cut, SIZE), tmp_path / "folded.pb")
    file.write_bytes(damage(file.read_bytes()))
    engine = FoldedEngine(folded_file(lambda: trace(cut, SIZE), file))
    np.testing.assert_allclose(engine(sample), np.asarray(cut.prefix(sample)), rtol=1e-4, atol=1e-5)


def test_a_torn_memory_or_model_is_no_fault(cut, sample, tmp_path):
    cache = Cache(tmp_path)
    choose_engine(cut, SIZE, sample, "auto", cache)
    for file in [*cache.choices.iterdir(), *cache.compiled.rglob("folded.*")]:
        file.write_text("{ torn")
    engine = choose_engine(cut, SIZE, sample, "auto", cache)
    np.testing.assert_allclose(engine(sample), np.asarray(cut.prefix(sample)), rtol=1e-4, atol=1e-5)


def test_an_unknown_engine_is_a_users_fault(cut, sample):
    with pytest.raises(UserError, match="did you mean 'tensorflow'"):
        choose_engine(cut, SIZE, sample, "tensorflw")


def test_nothing_is_reported_to_openvinos_makers(cut, sample, monkeypatch):
    """Its converter does so unless told otherwise: it is not used."""
    needs_openvino()
    import openvino

    def never(*args, **kwargs):
        raise AssertionError("the converter that reports its use was called")

    monkeypatch.setattr(openvino, "convert_model", never)
    assert choose_engine(cut, SIZE, sample, "openvino").name == "openvino"


@pytest.mark.parametrize("engine", ["auto", "tensorflow"])
def test_a_network_that_cannot_be_folded_runs_as_it_is(cut, sample, tmp_path, monkeypatch, engine):
    def never(*args, **kwargs):
        raise ValueError("larger than a protocol buffer may be")

    monkeypatch.setattr(making, "folded_file", never)
    made = choose_engine(cut, SIZE, sample, engine, Cache(tmp_path))
    np.testing.assert_allclose(made(sample), np.asarray(cut.prefix(sample)), rtol=1e-4, atol=1e-5)
