"""Makes the README's picture of a report: a retraining on handwritten digits, seen by headless Chromium.

    python tools/report_picture.py

The digits (Alpaydin and Kaynak, UCI Machine Learning Repository, CC BY 4.0) come with scikit-learn.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "assets" / "report.png"
# What is seen of the report, side by side, each as wide as a phone.
SECTIONS = ("", "#training", "#confusion", "#mistakes")
WIDTH, HEIGHT, COLOURS = 400, 900, 96


def main() -> None:
    """Retrains, opens the report in frames, and keeps the picture with few colours."""
    import transferkit

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        photos = transferkit.write_digits(place / "digits", most=40)
        transferkit.retrain(data=photos, run=place / "run", quiet=True)
        size = f'style="border:0" width="{WIDTH}" height="{HEIGHT}"'
        frames = "".join(f'<iframe {size} src="run/report.html{one}"></iframe>' for one in SECTIONS)
        page = place / "frames.html"
        page.write_text(f'<!DOCTYPE html><body style="margin:0;display:flex;gap:16px">{frames}</body>')
        screenshot(page, place / "seen.png")
        keep(place / "seen.png")


def screenshot(page: Path, picture: Path) -> None:
    """What a browser shows of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or "chromium-browser"
    width = len(SECTIONS) * (WIDTH + 16) - 16
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000"]
    subprocess.run(
        [browser, *flags, f"--window-size={width},{HEIGHT}", f"--screenshot={picture}", page.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )


def keep(picture: Path) -> None:
    """Writes the picture small."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").quantize(COLOURS).save(PICTURE, optimize=True)
    print(PICTURE, PICTURE.stat().st_size)


if __name__ == "__main__":
    main()
