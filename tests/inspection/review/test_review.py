"""The page that goes through doubtful photos: its requests, who may send them, and in a browser."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from transferkit.data.hashing import hash_file
from transferkit.data.photo_decisions import Edit, append_edit, read_edits, standing
from transferkit.data.splits.ledger import Ledger, Row
from transferkit.errors import UserError
from transferkit.inspection.review import queue
from transferkit.inspection.review.queue import ToReview
from transferkit.inspection.review.server import ReviewServer
from transferkit.recipe import Recipe


@pytest.fixture
def server(tmp_path):
    photos = []
    for number, colour in enumerate(["red", "green", "blue"]):
        file = tmp_path / f"{number} <b>.png"
        Image.new("RGB", (64, 48), colour).save(file)
        name = f"roses/{number} <b>.png"
        photos.append(ToReview(f"{number:064x}", name, file, "roses", "tulips", "looks like tulips"))
    made = ReviewServer("a </script> run", photos, ("roses", "tulips"), tmp_path / "edits.jsonl")
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.close()
    thread.join()


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def decide(server, body, **headers):
    own = {"Content-Type": "application/json", "X-Review-Token": server.token, **headers}
    status, content, _ = ask(server, "POST", "/decide", body, **own)
    return status, json.loads(content)


def test_decisions_become_lines_and_undo_takes_them_back(server):
    assert decide(server, {"action": "relabel", "photo": 0, "label": "tulips"})[0] == 200
    assert decide(server, {"action": "drop", "photo": 1})[0] == 200
    status, read = decide(server, {"action": "undo"})
    assert (status, read["decided"]) == (200, {"0": {"action": "relabel", "label": "tulips"}})
    assert len(read_edits(server.edits)) == 3
    assert [one.label for one in standing(read_edits(server.edits)).values()] == ["tulips"]
    assert decide(server, {"action": "undo"})[0] == 200
    assert decide(server, {"action": "undo"})[0] == 400


def test_a_photo_with_several_labels_is_kept_or_dropped(server):
    server.photos[0] = replace(server.photos[0], label='["roses", "tulips"]')
    assert decide(server, {"action": "relabel", "photo": 0, "label": "tulips"})[0] == 400
    assert decide(server, {"action": "drop", "photo": 0})[0] == 200


def test_the_page_and_the_photos_are_served_with_nothing_else_allowed(server):
    status, content, headers = ask(server, "GET", f"/?token={server.token}")
    page = content.decode()
    assert status == 200
    assert "a </script> run" not in page
    assert "roses/0 <b>" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, content, headers = ask(server, "GET", f"/photo/2?token={server.token}")
    assert (status, content[:4], headers["Content-Type"]) == (200, b"\x89PNG", "image/png")


@pytest.mark.parametrize(
    "path",
    ["/photo/3", "/photo/-1", "/photo/../../etc/passwd", "/photo/%2e%2e%2fedits.jsonl", "/photo/%C2%B2",
     "/edits.jsonl", "//etc/passwd", "//[", "/photo/0/../1", "/photo/99999999999999999999"],
)  # fmt: skip
def test_no_path_leads_to_another_file(server, path):
    status, content, _ = ask(server, "GET", f"{path}?token={server.token}")
    assert status in (400, 404)
    assert b"root:" not in content


def test_others_are_refused_and_write_nothing(server):
    body = {"action": "drop", "photo": 0}
    for headers in (
        {"X-Review-Token": "wrong"},
        {"X-Review-Token": ""},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
    ):
        assert decide(server, body, **headers)[0] == 403
    assert ask(server, "GET", "/")[0] == 403
    assert ask(server, "GET", f"/photo/0?token={server.token}", Host="evil.example")[0] == 403
    assert decide(server, body, **{"Content-Type": "text/plain"})[0] == 404
    wrongs = [[], {"action": "drop"}, {"action": "drop", "photo": True}, {"action": "drop", "photo": 3}]
    wrongs += [{"action": "relabel", "photo": 0, "label": "violets"}, {"action": "shred", "photo": 0}]
    for wrong in wrongs:
        assert decide(server, wrong)[0] == 400
    assert decide(server, {"action": "drop", "photo": 0, "more": "x" * 20_000})[0] == 413
    assert not server.edits.exists()


# Presses keys as a person does, each once the one before it is answered.
_KEYS = """<script nonce="{nonce}">
(async () => {{
  const wait = () => new Promise((done) => setTimeout(done, 250));
  const press = async (key) => {{
    document.dispatchEvent(new KeyboardEvent("keydown", {{key}}));
    await wait();
  }};
  await wait();
  for (const key of ["d", "r", "1", "k", "u", "b"]) await press(key);
  document.body.dataset.choices = getComputedStyle(document.getElementById("choices")).display;
}})();
</script></body>"""


def test_keys_in_a_browser_decide(server, tmp_path, monkeypatch):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium, which is not installed")
    whole = server.page
    monkeypatch.setattr(
        server, "page", lambda nonce: whole(nonce).replace("</body>", _KEYS.format(nonce=nonce))
    )
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom", server.url],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr[-800:]
    actions = [(one.action, one.label) for one in read_edits(server.edits)]
    assert actions == [("drop", ""), ("relabel", "tulips"), ("keep", ""), ("undo", "")]
    # The third photo is open again and was gone back from.
    assert "2 of 3, 2 decided" in done.stdout
    assert "relabelled tulips" in done.stdout
    assert 'data-choices="none"' in done.stdout  # those of a photo before stood there


def test_a_body_of_brackets_is_refused_and_two_windows_see_each_other_s_decisions(server, capfd):
    own = {"Content-Type": "application/json", "X-Review-Token": server.token}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/decide", b"[" * 9_999, own)
    assert connection.getresponse().status == 400
    connection.close()
    append_edit(server.edits, Edit("drop", server.photos[1].sha256))
    status, read = decide(server, {"action": "keep", "photo": 0})
    assert (status, set(read["decided"])) == (200, {"0", "1"})
    assert "Traceback" not in capfd.readouterr().err


def test_another_picture_of_a_name_is_not_judged_for_the_run_s_own(tmp_path, monkeypatch):
    """The decision would be kept under the hash of a photo that nobody looked at."""
    names = [f"roses/{number}.png" for number in range(3)]
    (tmp_path / "roses").mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name)
    rows = tuple(Row(hash_file(tmp_path / name), name, '["roses"]', "train") for name in names)
    Ledger(rows, True).write(tmp_path / "split.csv")
    (tmp_path / "predictions.csv").write_text("")
    monkeypatch.setattr(queue, "read_predictions", lambda *_: None)

    class Made:
        path, classes = tmp_path, ("roses", "tulips")
        recipe = Recipe.model_validate({"data": {"path": str(tmp_path)}})

        def mistakes(self, most):
            return [SimpleNamespace(name=name, predicted="tulips", probability=0.9) for name in names]

    Image.new("RGB", (8, 8), "blue").save(tmp_path / names[0])
    (tmp_path / names[1]).unlink()
    said = []
    assert [one.name for one in queue.review_queue(Made(), say=said.append)] == [names[2]]
    assert len(said) == 2
    Image.new("RGB", (8, 8), "blue").save(tmp_path / names[2])
    with pytest.raises(UserError, match="other pictures"):
        queue.review_queue(Made())
