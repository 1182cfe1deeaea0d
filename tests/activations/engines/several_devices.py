"""Activations of some images by one device and by three logical CPUs: ``several_devices.py FOLDER``."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from PIL import Image

from transferkit.activations.compute import ComputeSettings, compute
from transferkit.activations.engines.device_engine import DeviceEngine
from transferkit.backbones import load_backbone
from transferkit.data.pixels.decoding import Decoding


def main(folder):
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 3)
    items = []
    for number in range(24):
        path = Path(folder, f"{number}.png")
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        if number == 9:
            path.write_bytes(b"no image")
        items.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    cut = load_backbone("embedded", "imagenet").cut(None)
    used = collections.Counter()
    own = DeviceEngine._pass

    def noted(self, name, images):
        used[name] += 1
        return own(self, name, images)

    DeviceEngine._pass = noted
    names = tuple(one.name for one in tf.config.list_logical_devices("CPU"))
    one, several = (
        compute(
            cut,
            items,
            Decoding((128, 128)),
            ComputeSettings(
                engine="tensorflow",
                batch_size=3,
                cache_dir=Path(folder, f"cache{len(devices)}"),
                devices=devices,
            ),
        )
        for devices in ((), names)
    )
    readable = [number for number in range(24) if number != 9]
    apart = float(np.abs(one.take(readable) - several.take(readable)).max())
    facts = {"engine": several.stats.engine, "computed": several.stats.computed, "apart": apart}
    print(json.dumps({**facts, "unreadable": [one.index for one in several.failures], "on": used}))


if __name__ == "__main__":
    main(sys.argv[1])
