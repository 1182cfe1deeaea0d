"""The page to try a model, and what it asks: labels, heat, the nearest training photos."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import transferkit
from transferkit.errors import UserError

from .conftest import encoded

# Looks at a photo as soon as the page knows its model; then tells what is seen, in an attribute.
_PROBE = """
(async () => {
  while (!facts.name) await new Promise((done) => setTimeout(done, 20));
  look(await (await fetch("/test-photo")).blob());
  const ready = () => at("took").textContent && at("heat").src && at("photos").children.length;
  while (!ready()) await new Promise((done) => setTimeout(done, 20));
  const root = document.documentElement;
  document.body.dataset.found = JSON.stringify({
    overflow: root.scrollWidth - root.clientWidth,
    title: document.title, label: at("label").textContent, rows: at("bars").rows.length,
    broken: [...document.images].filter((one) => !one.hidden && one.complete && !one.naturalWidth).length,
    near: at("photos").children.length, dark: matchMedia("(prefers-color-scheme: dark)").matches,
  });
})();
"""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom",
)  # fmt: skip


@pytest.fixture(scope="session")
def run(noise_photos, tmp_path_factory):
    """A run on the embedded backbone that knows what is unlike its photos."""
    return transferkit.retrain(
        data=noise_photos({"dark": 40, "light": 210}, 14, 20, between=6),
        backbone="embedded",
        run=tmp_path_factory.mktemp("runs") / "brightness",
        epochs=2,
        overrides=["evaluation.resamples=20", "export.parity=false", "evaluation.grad_cam=0"],
        quiet=True,
    )


@pytest.fixture(scope="session")
def insight(run):
    from transferkit.serving.insight import Insight

    return Insight(run)


def test_what_the_page_is_told_of_a_photo(server):
    status, told, _ = server.ask("/photo/labels", encoded("a red/öne", "JPEG"))
    assert (status, told["top"][0]["label"], told["unknown"], told["confident"]) == (
        200,
        "a red/öne",
        True,
        True,
    )
    assert [one["probability"] for one in told["top"]] == sorted(
        (one["probability"] for one in told["top"]), reverse=True
    )
    status, told, _ = server.ask("/photo/labels", encoded("light"))
    assert (told["top"][0]["label"], told["unknown"]) == ("light", False)


def test_an_export_has_no_heat_and_shows_no_training_photos(server):
    _, facts, _ = server.ask("/facts")
    assert (facts["heat"], facts["neighbours"], facts["knows_unknown"]) == (False, False, True)
    assert server.ask("/photo/heat", encoded("dark"))[1]["picture"] is None
    assert server.ask("/photo/similar", encoded("dark"))[1]["photos"] == []
    for path in ("labels", "heat", "similar"):
        status, told, _ = server.ask(f"/photo/{path}", b"no image")
        assert status == 400 or path != "labels"
        assert status == 200 or told["error"]


def test_heat_and_neighbours_come_from_the_run_s_own_network(run, insight):
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import read_image

    photo = sorted((run.path / run.recipe.data.path).glob("light/*.png"))[3]
    size = run.model.input_shape[1:3]
    image = read_image(photo, Decoding.of(run.recipe.data, size))
    near = insight.neighbours(image, 3)
    expected = transferkit.similar(run, photo, count=3)[0].neighbours
    assert [one.path for one in near] == [one.path for one in expected]
    np.testing.assert_allclose([one.distance for one in near], [one.distance for one in expected], atol=1e-4)
    assert near[0].picture.startswith("data:image/")
    assert insight.heat(image, 0, (30, 60)).startswith("data:image/")


def test_a_run_whose_photos_are_gone_says_so_on_the_page(start, run, version):
    class Gone:
        def heat(self, *_):
            raise UserError("weights.npz: it is gone")

        def neighbours(self, *_):
            raise UserError("data: 3 photos of the run are not found")

        def prepare(self):
            pass

    server = start(version, insight=Gone())
    assert server.ask("/photo/heat", encoded("dark"))[1] == {
        "picture": None,
        "reason": "weights.npz: it is gone",
    }
    assert "not found" in server.ask("/photo/similar", encoded("dark"))[1]["reason"]
    server.close()


def test_the_page_loads_nothing_from_elsewhere(server):
    status, page, headers = server.ask("/")
    assert status == 200
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    named = re.findall(rb'(?:src|href)="(/[^"]+)"', page)
    assert {b"/page.css", b"/page.js"} <= set(named)
    assert all(server.ask(one.decode())[0] == 200 for one in named)
    assert b"http" not in page.replace(b"http-equiv", b"")


def with_probe(app):
    """The application, with the probe at the end of the page's script, and a photo for it."""

    async def outer(scope, receive, send):
        if scope.get("path") == "/test-photo":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": encoded("light", "JPEG", (90, 60))})
            return

        async def longer(message):
            if message["type"] == "http.response.start":
                kept = [one for one in message["headers"] if one[0] != b"content-length"]
                message = {**message, "headers": kept}
            elif message["type"] == "http.response.body":
                message = {**message, "body": message["body"] + _PROBE.encode()}
            await send(message)

        await app(scope, receive, longer if scope.get("path") == "/page.js" else send)

    return outer


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(500, True), (1280, False)])
def test_a_photo_is_answered_in_a_browser(start, run, insight, tmp_path, width, dark):
    found = [name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)]
    if not found:
        pytest.skip("needs a browser; neither chromium nor google-chrome is installed")
    server = start(run.export_folder, insight=insight, wrap=with_probe)
    command = [found[0], *_FLAGS, f"--user-data-dir={tmp_path}", f"--window-size={width},900"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}/"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    seen = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', done.stdout).group(1)))
    assert seen == {
        "overflow": 0, "title": "colours", "label": "light", "rows": 2, "broken": 0, "near": 6, "dark": dark,
    }  # fmt: skip
    server.close()
