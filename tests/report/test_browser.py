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

from transferkit.evaluation.evaluation_html import evaluation_html
from transferkit.report import ReportFacts, write_report

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=2000",
)  # fmt: skip
_DARK = ("--blink-settings=preferredColorScheme=0",)
# Runs inside the page: opens all there is to open, sorts, filters, points, reads colours, and tells the frame
# what it found. Contrast is that of WCAG 2.2, of each text over all that lies behind it.
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
const parts = (colour) => {
  const numbers = colour.match(/-?[\\d.]+/g).map(Number);
  const scale = colour.startsWith("color(") ? 255 : 1;
  return [...numbers.slice(0, 3).map((value) => value * scale), numbers[3] ?? 1];
};
const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]));
const light = (colour) => colour.slice(0, 3).map((value) => value / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) {
    layers.push(parts(getComputedStyle(one).backgroundColor));
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
};
const faint = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || element.matches("script, style, noscript")) continue;
  const style = getComputedStyle(element);
  let see = 1;
  for (let one = element; one; one = one.parentElement) see *= Number(getComputedStyle(one).opacity);
  const back = behind(element);
  const ink = parts(element.ownerSVGElement ? style.fill : style.color);
  const seen = over([...ink.slice(0, 3), ink[3] * see], back);
  const [low, high] = [light(seen), light(back)].sort((a, b) => a - b);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${walker.currentNode.textContent.trim()}`);
}
const cut = [...document.querySelectorAll(".wide")].filter((part) => part.scrollWidth > part.clientWidth + 1);
parent.postMessage({
  hidden: cut.map((part) => part.ariaLabel),
  overflow: root.scrollWidth - root.clientWidth,
  broken: [...document.images].filter((image) => image.complete && !image.naturalWidth).length,
  shown: [...document.querySelectorAll("#class-table tbody tr")].filter((row) => !row.hidden).length,
  faint, dark: matchMedia("(prefers-color-scheme: dark)").matches,
  readout: document.getElementById("matrix-readout")?.textContent ?? "",
}, "*");
</script></body>"""
_OVERLAPS = """<script>
const root = document.documentElement, figures = [...document.querySelectorAll("figure")];
// What a figure holds must end where it ends, or be scrolled to.
const over = figures.filter((one) => one.scrollWidth > one.clientWidth + 1
  && getComputedStyle(one).overflowX === "visible");
parent.postMessage({
  figures: figures.length, overflow: root.scrollWidth - root.clientWidth,
  over: over.map((one) => one.textContent.slice(0, 40)),
}, "*");
</script>"""
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


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
@pytest.mark.parametrize("which", ["five", "twenty", "two_hundred", "tagged"])
def test_it_fits_works_and_can_be_read(browser, tmp_path, request, which, width, dark):
    path = write_report(request.getfixturevalue(which), tmp_path / "report.html")
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", _PROBE), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(_FRAME.format(width=width, page="report.html"))
    dom = open_page(
        browser, tmp_path, frame, "--dump-dom", "--window-size=1400,1600", *(_DARK if dark else [])
    )
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', dom).group(1)))
    assert found["overflow"] == 0, "the page scrolls sideways"
    assert found["broken"] == 0
    assert found["dark"] == dark
    assert not found["faint"], "the contrast is too low to read"
    assert not found["hidden"], "columns that nobody sees without scrolling sideways"
    rows = {
        "five": 5,
        "twenty": sum("1" in f"{i:03}" for i in range(20)),
        "two_hundred": sum("1" in f"{i:03}" for i in range(200)),
        "tagged": 4,
    }
    assert found["shown"] == rows[which]
    if which == "two_hundred":
        count = request.getfixturevalue(which).evaluation.confusion[0, 0]
        assert found["readout"] == f"{count} of species 000 answered right"


@pytest.mark.parametrize("width", [390, 1280])
def test_what_a_notebook_shows_of_an_evaluation_has_nothing_over_another(browser, tmp_path, five, width):
    page, frame = tmp_path / "cell.html", tmp_path / "frame.html"
    shown = evaluation_html(five.evaluation)
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8>{shown}{_OVERLAPS}", encoding="utf-8")
    frame.write_text(_FRAME.format(width=width, page="cell.html"))
    dom = open_page(browser, tmp_path, frame, "--dump-dom", "--window-size=1400,1600")
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', dom).group(1)))
    assert found == {"figures": 2, "overflow": 0, "over": []}


@pytest.mark.parametrize("dark", [False, True])
def test_it_shows_in_light_and_dark(browser, tmp_path, five, dark):
    path = write_report(five, tmp_path / "report.html")
    shot = tmp_path / "shot.png"
    open_page(
        browser, tmp_path, path, f"--screenshot={shot}", "--window-size=800,1400", *(_DARK if dark else [])
    )
    pixels = np.asarray(Image.open(shot).convert("L"))
    assert pixels.shape == (1400, 800)
    paper = np.median(pixels)
    assert paper < 60 if dark else paper > 220
    assert (np.abs(pixels.astype(int) - paper) > 60).mean() > 0.02, "nothing is drawn"


def test_an_empty_report_opens_too(browser, tmp_path):
    path = write_report(ReportFacts(title="nothing"), tmp_path / "report.html")
    assert "Nothing was evaluated." in open_page(browser, tmp_path, path, "--dump-dom")
