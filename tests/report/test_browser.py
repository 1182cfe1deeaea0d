"""The page in headless Chromium: it renders at a phone's and a desk's width, and the console stays silent."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from transferkit.report import ReportFacts, write_report

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=2000",
)  # fmt: skip
# Runs inside the page: opens all there is to open, sorts, filters, points, and tells the frame what it found.
_PROBE = """<script>
document.querySelectorAll("details").forEach((part) => (part.open = true));
document.querySelectorAll("button.sort").forEach((button) => button.click());
document.querySelectorAll("input[type=search]").forEach((field) => {
  field.value = "1"; field.dispatchEvent(new Event("input"));
});
document.querySelectorAll("img.cells-picture").forEach((picture) => {
  const box = picture.getBoundingClientRect();
  picture.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + 1, clientY: box.top + 1}));
});
const root = document.documentElement;
parent.postMessage({
  overflow: root.scrollWidth - root.clientWidth,
  broken: [...document.images].filter((image) => image.complete && !image.naturalWidth).length,
  shown: [...document.querySelectorAll("#class-table tbody tr")].filter((row) => !row.hidden).length,
  readout: document.getElementById("matrix-readout")?.textContent ?? "",
}, "*");
</script></body>"""
_FRAME = """<!DOCTYPE html><body style="margin:0">
<iframe style="border:0" width="{width}" height="1500" src="{page}"></iframe>
<script>addEventListener("message", (event) => {{
  document.body.dataset.found = JSON.stringify(event.data);
}});</script></body>"""


@pytest.fixture(scope="module")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("needs a browser; neither chromium nor google-chrome is installed")


def open_page(browser, folder, page, *flags):
    """stdout and stderr of the browser on a page."""
    done = subprocess.run(
        [browser, *_FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("which", ["five", "two_hundred", "tagged"])
def test_it_fits_and_works(browser, tmp_path, request, which, width):
    path = write_report(request.getfixturevalue(which), tmp_path / "report.html")
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", _PROBE), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(_FRAME.format(width=width, page="report.html"))
    dom = open_page(browser, tmp_path, frame, "--dump-dom", "--window-size=1400,1600")
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', dom).group(1)))
    assert found["overflow"] == 0, "the page scrolls sideways"
    assert found["broken"] == 0
    rows = {"five": 5, "two_hundred": sum("1" in f"{i:03}" for i in range(200)), "tagged": 4}
    assert found["shown"] == rows[which]
    if which == "two_hundred":
        count = request.getfixturevalue(which).evaluation.confusion[0, 0]
        assert found["readout"] == f"{count} of species 000 answered right"


@pytest.mark.parametrize("dark", [False, True])
def test_it_shows_in_light_and_dark(browser, tmp_path, five, dark):
    path = write_report(five, tmp_path / "report.html")
    shot = tmp_path / "shot.png"
    flags = ["--blink-settings=preferredColorScheme=0"] if dark else []
    open_page(browser, tmp_path, path, f"--screenshot={shot}", "--window-size=800,1400", *flags)
    pixels = np.asarray(Image.open(shot).convert("L"))
    assert pixels.shape == (1400, 800)
    paper = np.median(pixels)
    assert paper < 60 if dark else paper > 220
    assert (np.abs(pixels.astype(int) - paper) > 60).mean() > 0.02, "nothing is drawn"


def test_an_empty_report_opens_too(browser, tmp_path):
    path = write_report(ReportFacts(title="nothing"), tmp_path / "report.html")
    assert "Nothing was evaluated." in open_page(browser, tmp_path, path, "--dump-dom")
