"""The page of a data check."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from transferkit.data.check import KINDS, CheckResult, Finding
from transferkit.report.data_page import write_data_page


class Pictures(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.ids, self.anchors, self.scripts = [], [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.scripts += tag == "script"
        if tag == "img":
            self.found.append(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.anchors.append(attrs["href"])


@pytest.fixture
def result():
    findings = (
        Finding("unreadable", ("a/<b>.jpg",), "truncated <script>"),
        Finding("leak", ("photo 1", "photo 2"), "the same file is in train and val", None, ("a", "a")),
        *(Finding("likely_mislabelled", ("photo 3",), "labelled a, looks like b", 0.5) for _ in range(70)),
        Finding("few_images", (), "class 'b' has 3"),
    )
    return CheckResult("photos/", {"train": {"a": 5, "b": 3}}, {"jpeg": 8}, (1, 2, 3), (1, 2, 3), findings)


def test_findings_are_shown_with_their_pictures(result, photos, tmp_path):
    files = {f"photo {i}": photos[i] for i in range(4)} | {"a/<b>.jpg": tmp_path / "must not be opened"}
    page = write_data_page(result, files, tmp_path / "check.html").read_text(encoding="utf-8")
    found = Pictures(page)
    assert [image["alt"] for image in found.found[:2]] == ["photo 1", "photo 2"]
    assert len(found.found) == 2 + 60
    assert "and 10 more" in page
    assert "truncated &lt;script&gt;" in page
    assert found.scripts == 1
    assert len(set(found.ids)) == len(found.ids)
    assert {anchor[1:] for anchor in found.anchors} <= set(found.ids)
    assert "2 errors, 71 warnings" in page
    for kind in ("unreadable", "leak", "likely_mislabelled"):
        assert KINDS[kind][1].split(":")[0] in page
    assert [path.name for path in tmp_path.iterdir()] == ["check.html"]


def test_sound_data_says_so(tmp_path):
    result = CheckResult("photos/", {"all": {"a": 5, "b": 5}}, {"png": 10}, None, None, ())
    page = write_data_page(result, {}, tmp_path / "check.html").read_text(encoding="utf-8")
    assert "No problems found." in page
    assert "10 files" in page
