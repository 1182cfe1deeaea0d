"""Handles of Hugging Face, Kaggle and TensorFlow Hub: from their caches, from a server, or from neither."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.backbones.weights.fetched import kaggle_folder, opened_as
from transferkit.code_permission import allowing
from transferkit.errors import UserError
from transferkit.find_card import load_card
from transferkit.recipe import load
from transferkit.recipe.checks.named_code import code_of

from ...loopback_hub import SHA, HubHandler, serve

pytestmark = pytest.mark.extra

CLOSED = "http://127.0.0.1:9"
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``.keras`` file and a SavedModel of the same small network."""
    import keras

    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="pixels"),
            keras.layers.Conv2D(6, 3, strides=2, name="conv"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
        ]
    )
    folder = tmp_path_factory.mktemp("models")
    network.save(folder / "model.keras")
    network.export(str(folder / "saved"), verbose=False)
    return folder


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, and no network."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", CLOSED)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, CLOSED)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    return tmp_path


def features(reference: str, **options: Any) -> np.ndarray:
    with allowing(True):
        return np.asarray(load_backbone(reference, **options).features(IMAGES))


def hf_cached(caches: Path, *files: Path) -> None:
    """What huggingface_hub leaves of a repository ``org/repo`` in its cache."""
    repository = caches / "hf" / "models--org--repo"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(SHA)
    for file in files:
        target = repository / "snapshots" / SHA / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if file.is_dir() else shutil.copyfile)(file, target)


def kaggle_cached(handle: str, source: Path, whole: bool = True) -> None:
    """What kagglehub leaves of a model in its cache."""
    folder = kaggle_folder(handle)
    shutil.copytree(source, folder)
    if whole:
        (folder.parent / f"{folder.name}.complete").touch()


def test_hugging_face_from_its_cache(caches: Path, models: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs transferkit[hf]")
    hf_cached(caches, models / "model.keras")
    wanted = features(f"keras_file:{models / 'model.keras'}")
    for reference in ("hf://org/repo", "hf://org/repo/model.keras"):
        np.testing.assert_array_equal(features(reference), wanted)
    backbone = load_backbone("hf://org/repo")
    assert backbone.reference == "hf://org/repo"
    with pytest.raises(UserError, match=r"has no file other\.keras"):
        load_backbone("hf://org/repo/other.keras")


def test_a_saved_model_of_hugging_face_must_be_told_its_pixels(caches: Path, models: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs transferkit[hf]")
    hf_cached(caches, models / "saved")
    with pytest.raises(UserError, match=r"options\.normalisation"):
        features("hf://org/repo")
    wanted = features(f"keras_file:{models / 'model.keras'}")
    np.testing.assert_allclose(features("hf://org/repo", normalisation="none"), wanted, rtol=1e-4, atol=1e-5)


class Site(HubHandler):
    """As much of huggingface.co, and of a place for modules of TensorFlow Hub, as their libraries ask."""

    files: ClassVar[dict[str, bytes]] = {}
    module = b""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/org/repo/revision/"):
            listed = [{"rfilename": name} for name in self.files]
            self.give(json.dumps({"id": "org/repo", "sha": SHA, "siblings": listed}).encode())
        elif path.startswith("/api/models/org/repo/tree/"):
            sizes = {name: len(held) for name, held in self.files.items()}
            rows = [{"type": "file", "path": name, "size": size, "oid": SHA} for name, size in sizes.items()]
            self.give(json.dumps(rows).encode())
        elif path.startswith("/org/repo/resolve/") and path.rpartition("/")[2] in self.files:
            self.give(self.files[path.rpartition("/")[2]])
        elif path == "/module":
            self.give(self.module)
        else:
            self.send_error(404)


@pytest.fixture
def site() -> Iterator[str]:
    with serve(Site) as address:
        yield address


def test_hugging_face_from_the_site_and_then_without_it(
    caches: Path, models: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub", reason="needs transferkit[hf]")
    monkeypatch.setattr(Site, "files", {"model.keras": (models / "model.keras").read_bytes(), "a.md": b"#"})
    monkeypatch.setenv("HF_ENDPOINT", site)
    wanted = features(f"keras_file:{models / 'model.keras'}")
    np.testing.assert_array_equal(features("hf://org/repo"), wanted)
    kept = caches / "hf" / "models--org--repo" / "snapshots" / SHA
    assert [one.name for one in kept.iterdir()] == ["model.keras"], "nothing that no model is made of"
    monkeypatch.setenv("HF_ENDPOINT", CLOSED)
    np.testing.assert_array_equal(features("hf://org/repo"), wanted)


def test_kaggle_from_its_cache(caches: Path, models: Path) -> None:
    pytest.importorskip("kagglehub", reason="needs transferkit[kaggle]")
    handle = "kaggle://google/small/tensorFlow2/tiny"
    for version in (9, 10):
        kaggle_cached(f"{handle}/{version}", models / "saved")
    kaggle_cached(f"{handle}/11", models / "saved", whole=False)
    for reference in (handle, f"{handle}/9"):
        backbone = load_backbone(reference, allow_code=True)
        # By the convention of TensorFlow Hub, whose modules moved there.
        np.testing.assert_array_equal(
            backbone.features(IMAGES), features(f"hub:{models / 'saved'}"), err_msg=reference
        )
    with pytest.raises(UserError, match="Kaggle says"):
        load_backbone(f"{handle}/11")


def test_tensorflow_hub_from_a_site_and_then_without_it(
    caches: Path, models: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(models / "saved", arcname=".")
    monkeypatch.setattr(Site, "module", packed.getvalue())
    wanted = features(f"hub:{models / 'saved'}")
    np.testing.assert_array_equal(features(f"hub:{site}/module"), wanted)
    monkeypatch.setattr(Site, "module", b"gone")
    np.testing.assert_array_equal(features(f"hub:{site}/module"), wanted)


@pytest.mark.parametrize(
    ("reference", "place", "variable"),
    [
        ("hf://org/repo", "hf/models--org--repo", "HF_HUB_CACHE"),
        ("hf://org/repo@v2/model.keras", "hf/models--org--repo", "HF_HUB_CACHE"),
        ("kaggle://google/x/keras/y", "kaggle/models/google/x/keras/y", "KAGGLEHUB_CACHE"),
        ("kaggle://google/x/keras/y/3", "kaggle/models/google/x/keras/y/3", "KAGGLEHUB_CACHE"),
        ("hub:https://tfhub.dev/google/x/1", "tfhub", "TFHUB_CACHE_DIR"),
        ("dinov2_small", "kaggle/models/keras/dinov2/keras/dinov2_small/1", "KAGGLEHUB_CACHE"),
    ],
)
def test_what_is_unavailable_says_where_it_would_lie(
    reference: str, place: str, variable: str, caches: Path
) -> None:
    needs = {"hf": "huggingface_hub", "kaggle": "kagglehub", "dinov2_small": "keras_hub"}
    if (package := needs.get(reference.partition(":")[0])) is not None:
        pytest.importorskip(package, reason="needs the extra that fetches it")
    with pytest.raises(UserError) as error:
        load_backbone(reference)
    (said,) = error.value.faults
    assert said.startswith("backbone")
    assert str(caches / place) in said
    assert variable in said


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("hf://org", "hf://ORG/REPO"),
        ("hf:", "card"),
        ("kaggle://google/x", "moved to kaggle.com"),
        ("kaggle://google/x/keras/y/latest", "VERSION"),
        ("kagle://google/x/keras/y", "did you mean 'kaggle'"),
    ],
)
def test_what_is_no_handle(reference: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        load_backbone(reference)


def test_several_models_or_none(tmp_path: Path) -> None:
    for name in ("a.keras", "b.keras"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"name one, hf://org/repo/a\.keras"):
        opened_as(tmp_path, "hf", "hf://org/repo")
    (tmp_path / "b.keras").unlink()
    assert opened_as(tmp_path, "hf", "hf://org/repo") == ("keras_file", str(tmp_path / "a.keras"))
    (tmp_path / "a.keras").rename(tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors.*keras_hub:hf://org/repo"):
        opened_as(tmp_path, "hf", "hf://org/repo")


def test_a_model_from_elsewhere_is_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for reference in ("hf://org/repo", "kaggle://google/x/keras/y"):
        (found,) = code_of(load(backbone=reference))
        assert reference in found.what


def test_a_card_may_name_such_a_handle(caches: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub", reason="needs transferkit[hf]")
    hf_cached(caches, models / "model.keras")
    monkeypatch.chdir(caches)
    (caches / "mine.toml").write_text(
        'summary = "mine"\nhandle = "hf://org/repo"\nfamily = "mine"\nsize = [32, 32]\nlicence = "CC0-1.0"\n'
        "feature_width = 6\nparameters = 168\n"
    )
    assert load_card("./mine.toml").handle == "hf://org/repo"
    np.testing.assert_array_equal(
        features("card:./mine.toml"), features(f"keras_file:{models / 'model.keras'}")
    )
