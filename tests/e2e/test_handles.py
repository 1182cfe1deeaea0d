"""A run on a network of one's own can do all that a run on a card can."""

from __future__ import annotations

import os

import pytest

import transferkit
from transferkit.inspection.plan import make_plan
from transferkit.runs.folder.verify import verify_run

pytestmark = pytest.mark.extra

SIZE = (32, 32)


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="pixels"),
            keras.layers.Conv2D(12, 3, strides=2, activation="relu", name="low"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Conv2D(24, 3, strides=2, activation="relu", name="high"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
        ]
    )


@pytest.fixture(scope="module")
def handles(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("handles")
    network.save(folder / "own.keras")
    network.export(str(folder / "module"), verbose=False)
    (folder / "mine.toml").write_text(
        'handle = "keras_file:own.keras"\nsummary = "my own"\nfamily = "own"\nlicence = "CC0-1.0"\n'
        'size = [32, 32]\nfeature_width = 24\nparameters = 3000\nnormalisation = "none"\n'
    )
    return folder


@pytest.fixture(scope="module")
def tower(handles):
    """A tiny DINOv3, whose blocks train at rates of their own."""
    keras_hub = pytest.importorskip(
        "keras_hub", reason="needs KerasHub: pip install 'transferkit[keras-hub]'"
    )
    network = keras_hub.models.DINOV3Backbone(
        patch_size=8, num_layers=2, hidden_dim=16, num_heads=2, intermediate_dim=32, image_shape=(*SIZE, 3)
    )
    network.save_to_preset(str(handles / "tower"))
    converter = keras_hub.layers.DINOV3ImageConverter(image_size=SIZE, scale=1 / 127.5, offset=-1.0)
    converter.save_to_preset(str(handles / "tower"))


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("keras_file:{}/own.keras", marks=pytest.mark.slow),
        pytest.param("saved_model:{}/module", marks=pytest.mark.slow),
        pytest.param("hub:{}/module", marks=pytest.mark.slow),
        pytest.param("card:{}/mine.toml", marks=pytest.mark.slow),
        pytest.param("keras_hub:{}/tower", marks=pytest.mark.slow),
    ],
)
def test_every_verb_works_on_the_run(form, handles, shapes, tmp_path, request):
    backbone = form.format(handles)
    settings = ["epochs=4", "evaluation.grad_cam=0"]
    if backbone.startswith("keras_hub"):
        request.getfixturevalue("tower")
        settings += ["backbone.options.pooling=cls+mean"]
        fine = [*settings, "freeze={until='block_0'}", "layer_decay=0.5"]
        (plan,) = make_plan(overrides=fine, backbone=backbone, data=str(shapes), measure=False)
        assert {row.name for row in plan.plan.stages if row.state == "trainable"} >= {"block_1"}
    elif not backbone.startswith(("keras_file", "card")):
        settings.append("backbone.options.normalisation=none")
    (plan,) = make_plan(overrides=settings, backbone=backbone, data=str(shapes), measure=False)
    assert plan.plan.backbone.input_size == SIZE
    assert plan.plan.backward_gflops == 0, "nothing below the cut has a way back"

    run = transferkit.retrain(
        data=shapes, run=tmp_path / "run", backbone=backbone, overrides=settings, quiet=True
    )
    photos = sorted((shapes / "cross").iterdir())[:3]
    before = run.predict(photos)

    # A SavedModel is code, and the run that names it lies outside the current project.
    again = transferkit.load_run(run.path)
    assert again.evaluate(allow_code=True).metrics["accuracy"] == run.metrics["accuracy"]
    assert again.export(allow_code=True).name == "2", "the parity check has let it through"
    after = transferkit.load_run(run.path).predict(photos)
    assert [one.top for one in after] == [one.top for one in before]
    assert verify_run(again, allow_code=True) == []


def test_a_saved_model_that_takes_floats_must_be_told_which(handles):
    from transferkit.backbones import load_backbone
    from transferkit.errors import UserError

    with pytest.raises(
        UserError, match=r"tf \(RGB, x / 127\.5 - 1\).*does not say.*options\.normalisation=tf"
    ):
        load_backbone(f"saved_model:{os.fspath(handles)}/module")
