"""Which devices a run takes, and what is refused before any work."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os

import pytest
import tensorflow as tf
from click.testing import CliRunner

from transferkit import devices
from transferkit.cli.inspection.plan import command
from transferkit.devices import check_devices, choose_devices, named_devices, uncompiled, workers_told
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.recipe.sections import DevicesSection
from transferkit.runs.checks.preflight import preflight


class Gpu:
    """As TensorFlow lists one."""

    device_type = "GPU"

    def __init__(self, number):
        self.name = f"/physical_device:GPU:{number}"


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine with two GPUs, as far as looking at it goes."""
    gpus = [Gpu(0), Gpu(1)]
    listed = tf.config.list_physical_devices
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: gpus if kind == "GPU" else listed(kind)
    )
    return gpus


def test_auto_on_a_machine_without_gpu_is_one_cpu_without_a_strategy():
    chosen = choose_devices(DevicesSection())
    assert (chosen.kind, chosen.strategy, chosen.replicas) == ("cpu", None, 1)
    assert not chosen.accelerated
    assert not chosen.jit_compile
    assert "sees no GPU" in chosen.describe()
    assert json.loads(json.dumps(chosen.to_dict()))["devices"] == ["CPU:0"]
    assert choose_devices(DevicesSection(strategy="cpu")).strategy is None


def test_the_same_section_gives_the_same_strategy():
    mirrored = choose_devices(DevicesSection(strategy="mirrored"))
    assert isinstance(mirrored.strategy, tf.distribute.MirroredStrategy)
    assert (
        choose_devices(DevicesSection(strategy="mirrored", precision="float16")).strategy is mirrored.strategy
    )


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("gpu", "TensorFlow sees none on this machine"),
        ("gpu:0", "TensorFlow sees none on this machine"),
        ("gpu:3,1", "TensorFlow sees none on this machine"),
        ("tpu", "a TPU; TensorFlow sees none"),
        ("multi_worker", "TF_CONFIG, which is not set"),
    ],
)
def test_devices_that_are_not_there_are_one_fault_before_any_work(strategy, said, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    faults = preflight(load(overrides=[f"devices={strategy}"], backbone="embedded"))
    assert [said in one for one in faults] == [True]
    assert faults[0].startswith("devices.strategy: received")


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("gpu:", "numbers of GPUs"),
        ("gpu:0,", "numbers of GPUs"),
        ("gpu:0;1", "numbers of GPUs"),
        ("gpu: 0", "numbers of GPUs"),
        ("gpu:-1", "numbers of GPUs"),
        ("gpu:one", "numbers of GPUs"),
        ("gpu:1,0,1", "each GPU once"),
        ("cpu:0", "one of auto, cpu"),
        ("GPU", "did you mean 'gpu'"),
        ("miror", "did you mean 'mirrored'"),
    ],
)
def test_a_name_or_list_that_is_none_is_refused_as_it_is_read(strategy, said):
    with pytest.raises(UserError, match=said) as raised:
        load(overrides=[("devices.strategy", strategy)])
    assert len(raised.value.faults) == 1


def test_accumulation_and_several_devices_exclude_each_other():
    with pytest.raises(UserError, match="accumulation: received 2, expected 1 where several devices"):
        load(overrides=["accumulation=2", "devices=mirrored"])
    assert load(overrides=["accumulation=2", "devices=gpu:1"]).accumulation == 2


def test_a_gpu_beyond_those_that_are_there_is_named(two_gpus):
    check_devices(DevicesSection(strategy="gpu:1,0"))
    with pytest.raises(UserError, match=r"gpu:0,2.*expected GPUs that are there: 0, 1"):
        check_devices(DevicesSection(strategy="gpu:0,2"))


def test_auto_takes_all_gpus_and_says_how_many(two_gpus, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert devices.automatic() == ("mirrored", "TensorFlow sees 2 GPUs")
    monkeypatch.setenv("TPU_NAME", "local")
    assert devices.automatic()[0] == "tpu"
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"chief": ["a:1"], "worker": ["b:1"], "evaluator": ["c:1"]}}'
    )
    assert devices.automatic() == ("multi_worker", "TF_CONFIG names 2 workers")


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", '{"cluster": 3}', '{"cluster": {"worker": 7}}'])
def test_a_cluster_that_cannot_be_read_names_no_workers(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    assert workers_told() == 0


def test_memory_growth_of_the_environment_stands(monkeypatch):
    from transferkit import tensorflow_startup

    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    monkeypatch.setattr(tensorflow_startup, "_GROWTH_GIVEN", False)
    choose_devices(DevicesSection(memory_growth=False))
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
    monkeypatch.setattr(tensorflow_startup, "_GROWTH_GIVEN", True)
    choose_devices(DevicesSection())
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"


def test_plan_shows_the_devices_and_the_option_is_the_key():
    arguments = ("--backbone", "embedded", "--no-measure", "--devices", "cpu", "--json")
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False).stdout
    assert json.loads(shown)[0]["devices"]["why"] == "devices.strategy says so"


def test_a_finished_run_takes_what_there_is_where_its_devices_are_not(monkeypatch):
    chosen = choose_devices(DevicesSection(strategy="gpu:1"))
    assert chosen.kind == "cpu"
    assert chosen.describe().startswith("cpu (CPU:0): gpu:1 is not here; TensorFlow sees no GPU")


@pytest.mark.parametrize(
    ("strategy", "said"), [("gpu", "TensorFlow sees none"), ("gpus", "--devices: received")]
)
def test_devices_that_are_named_for_a_finished_run_have_to_be_there(strategy, said):
    recipe = load(overrides=["devices=gpu"])
    with pytest.raises(UserError, match=said):
        named_devices(recipe, strategy)
    assert named_devices(recipe, None) is recipe
    assert named_devices(recipe, "cpu").devices.strategy == "cpu"


def test_what_xla_cannot_compile_is_told_from_other_failures():
    said = "Detected unsupported operations when trying to compile graph f on XLA_CPU_JIT: EagerPyFunc"
    assert uncompiled(tf.errors.InvalidArgumentError(None, None, said)) == said
    assert uncompiled(tf.errors.ResourceExhaustedError(None, None, "out of memory")) is None


@pytest.mark.slow
@pytest.mark.parametrize("xla", ["auto", True])
def test_a_step_that_xla_cannot_compile_runs_without_it_or_says_so(
    noise_photos, tmp_path, monkeypatch, xla, capfd
):
    import transferkit
    from transferkit.transfer.network import Network

    photos = noise_photos({"even": 110, "odd": 150}, count=12, spread=40, size=32)
    own = Network.logits

    def logits(self, features, training=False):
        made = own(self, features, training)
        return tf.ensure_shape(tf.py_function(lambda x: x, [made], tf.float32), made.shape)

    monkeypatch.setattr(Network, "logits", logits)
    chosen = devices._chosen("cpu", True, "float32", None)
    compiled = dataclasses.replace(chosen, may_fall_back=xla == "auto")
    monkeypatch.setattr(devices, "_chosen", lambda *arguments: compiled)
    monkeypatch.setattr("transferkit.training.loop.Proof.check", lambda self: None)

    def run():
        return transferkit.retrain(
            data=photos, run=tmp_path / "run", backbone="embedded",
            overrides=["epochs=1", "evaluation.grad_cam=0", "export.parity=false"],
        )  # fmt: skip

    if xla is True:
        with pytest.raises(
            UserError, match=r"devices.xla: received True, expected steps that XLA can compile"
        ):
            run()
    else:
        with contextlib.suppress(Exception):  # an export with Python code in it
            run()
        assert "XLA cannot compile its steps, which run without it" in capfd.readouterr().err
