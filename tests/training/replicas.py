"""Recipes on one device and on several logical CPUs: ``replicas.py N FOLDER DATA NAME=SETTINGS…``.

Prints a line of JSON for each: its name, the greatest difference of the two curves, and what computed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

import transferkit

FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def curve(run):
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    return [row[name] for row in rows for name in FIGURES if row[name] is not None]


def main(count, folder, data, *wanted):
    device = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * int(count)
    tf.config.set_logical_device_configuration(device, parts)
    for text in wanted:
        name, _, settings = text.partition("=")
        given = json.loads(settings)
        where = given.pop("data", data)
        curves = []
        for kind in ("cpu", "mirrored"):
            run = transferkit.retrain(
                name, data=where, backbone="embedded", run=Path(folder, kind), devices=kind, overwrite=True,
                quiet=True, overrides=given["set"],
            )  # fmt: skip
            curves.append(curve(run))
        one, several = curves
        apart = max((abs(a - b) for a, b in zip(one, several, strict=True)), default=0.0)
        on = json.loads((run.path / "manifest.json").read_text())["computed_on"]
        again = run.evaluate(quiet=True).metrics["accuracy"]
        same = abs(again - run.metrics["accuracy"]) < 1e-6
        found = {"name": name, "apart": apart, "rows": len(one), "replicas": on["replicas"], "again": same}
        print(json.dumps({**found, "devices": on["devices"]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
