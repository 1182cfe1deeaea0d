"""The report page: whole, escaped, self-contained, readable by a screen reader."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from transferkit.evaluation import evaluate, gates
from transferkit.report import (
    DataFacts,
    ReportFacts,
    doubtful_classes,
    render_report,
    worst_mistakes,
    write_report,
)
from transferkit.report import rendering as rendering_module


class Outline(HTMLParser):
    """Elements with their attributes, ids, headings, and text."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(params=["five", "two_hundred", "tagged"])
def page(request):
    return render_report(request.getfixturevalue(request.param))


def test_sections_appear_with_their_facts(five):
    outline = Outline(render_report(five))
    wanted = [
        "summary",
        "data",
        "plan",
        "training",
        "confusion",
        "classes",
        "calibration",
        "mistakes",
        "time",
        "use",
        "recipe",
    ]
    assert [attributes["id"] for attributes in outline.of("section")] == wanted
    text = " ".join("".join(outline.text).split())
    accuracy = five.evaluation.metrics["accuracy"]
    for words in (
        f"{accuracy:.1%} of 200 validation images", "block 13 to 16", "linear, dropout 0.2", "half.jpg",
        "2 images are in both splits.", "TFLite int8 does not answer", "Temperature",
        "219 images/s", "700 images", "160 steps",
        'backbone.name = "mobilenet_v2"', "tf.saved_model.load", "tensorflow/serving",
        "Adam 1e-5, cut at block 12",
    ):  # fmt: skip
        assert words in text, words
    assert "2 artefacts" in text
    assert "artefacts/s" not in text
    for row in five.evaluation.per_class:
        assert f"{row.recall:.3f}" in text


def test_what_is_not_known_is_left_out():
    outline = Outline(render_report(ReportFacts(title="nothing yet")))
    assert [attributes["id"] for attributes in outline.of("section")] == ["summary"]
    assert "Nothing was evaluated." in "".join(outline.text)


def test_every_anchor_leads_somewhere(page):
    outline = Outline(page)
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = [attributes["href"][1:] for attributes in outline.of("a")]
    assert anchors
    assert set(anchors) <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page):
    outline = Outline(page)
    for _, attributes in outline.elements:
        for key in ("src", "href", "srcset", "action", "poster"):
            if key in attributes:
                assert attributes[key].startswith(("data:", "#")), attributes
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|<link rel=.stylesheet", page)


def test_a_screen_reader_finds_its_way(page):
    outline = Outline(page)
    assert outline.of("html") == [{"lang": "en"}]
    assert len(outline.of("h1")) == len(outline.of("main")) == len(outline.of("nav")) == 1
    assert all("alt" in attributes for attributes in outline.of("img"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in outline.of("th"))
    assert len(outline.of("table")) == len(outline.of("caption")) > 0
    ids = {attributes.get("id") for _, attributes in outline.elements}
    for attributes in outline.of("section"):
        assert attributes.get("aria-label") or attributes["aria-labelledby"] in ids
    for attributes in outline.of("svg"):
        assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
    for attributes in outline.of("div"):
        # Whatever scrolls can be reached by the keyboard and has a name.
        if attributes.get("class") in ("wide", "matrix"):
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
    levels = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_strange_names_are_shown_and_not_run(photos):
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{ 7 * 7 }}", "</script><b>"]
    rng = np.random.default_rng(0)
    given = rng.dirichlet(np.ones(4), 40).astype(np.float32)
    found = evaluate(rng.integers(0, 4, 40), given, names, [f"{names[i % 4]}.jpg" for i in range(40)])
    facts = ReportFacts(
        title=names[0], evaluation=found, image_paths=photos[:40],
        data=DataFacts(names[0], {names[1]: {names[2]: 1}}, {names[3]: photos[:1]}, [(names[0], names[1])]),
        recipe=names[0],
    )  # fmt: skip
    outline = Outline(render_report(facts))
    assert len(outline.of("script")) == 1
    assert all("onerror" not in attributes for attributes in outline.of("img"))
    assert not outline.of("b")
    assert "{{ 7 * 7 }}" in "".join(outline.text)
    # The many-class view puts names into a script element: they must not end it.
    many = [*names, *(f"class {i}" for i in range(60))]
    given = rng.dirichlet(np.ones(64), 80).astype(np.float32)
    found = evaluate(rng.integers(0, 64, 80), given, many)
    assert len(Outline(render_report(ReportFacts(title="t", evaluation=found))).of("script")) == 2


def test_few_classes_have_a_table_and_many_a_picture(five, two_hundred):
    small, large = render_report(five), render_report(two_hundred)
    assert '<table class="cells">' in small
    assert 'class="overview' not in small
    assert '<table class="cells">' not in large
    assert large.count("species 199") > 3  # axis labels, the class table, its search


def test_every_count_of_the_matrix_is_in_the_table(five):
    page = render_report(five)
    table = page[page.index('<table class="cells">') :]
    counts = re.findall(r'<td class="(?:yes|no|none)"[^>]*>(\d+)</td>', table)
    assert [int(count) for count in counts] == five.evaluation.confusion.ravel().tolist()


def test_mistakes_come_with_pictures_and_heat(five):
    wrong = int((~five.evaluation.correct).sum())
    page = render_report(five)
    part = page[page.index('id="mistakes"') : page.index('id="time"')]
    assert part.count("<img") == 2 * wrong
    assert "Grad-CAM" in part
    bare = render_report(replace(five, overlays={}))
    bare = bare[bare.index('id="mistakes"') : bare.index('id="time"')]
    assert bare.count("<img") == wrong
    assert "Grad-CAM" not in bare


def test_what_is_not_explained_stands_below_without_heat_or_says_why(five):
    rows = worst_mistakes(five.evaluation)
    some = {row: five.overlays[row] for row in rows[:3]}
    page = render_report(replace(five, overlays=some))
    part = page[page.index('id="mistakes"') : page.index('id="time"')]
    first, second = part.split("</ol>")[:2]
    assert (first.count("<li>"), first.count("<img")) == (3, 6)
    assert (second.count("<li>"), second.count("<img")) == (len(rows) - 3, len(rows) - 3)
    assert 'start="4"' in second
    assert "Beside the first 3" in part
    note = "hub:thing shows no feature maps."
    assert note in render_report(replace(five, overlays={}, overlays_note=note))


def test_several_labels_are_told_label_by_label(tagged):
    page = render_report(tagged)
    text = " ".join("".join(Outline(page).text).split())
    found = tagged.evaluation
    assert (
        f"{found.metrics['accuracy']:.1%} of 60 validation images are answered right in every label" in text
    )
    assert f"{found.metrics['hamming_accuracy']:.1%} of the decisions are right" in text
    for row, table in zip(found.per_class, found.confusion, strict=True):
        cells = re.search(rf'<th scope="row">{row.name}</th>(.*?)</tr>', page)[1]
        assert re.findall(r"<td>([^<]*)</td>", cells)[-2:] == [str(table[1, 0]), str(table[0, 1])]
    # The worst mistake names the label that it is about.
    worst = worst_mistakes(found)[0]
    about = found.classes[doubtful_classes(found, [worst])[0]]
    mistakes = page[page.index('id="mistakes"') :]
    given = found.probabilities[worst, found.classes.index(about)]
    assert mistakes.index(f"; {about} was given {given:.1%}") < mistakes.index("</li>")


def test_pictures_that_are_gone_do_not_end_the_report(five, tmp_path):
    gone = replace(five, image_paths=[tmp_path / "gone.jpg"] * 200)
    assert "no picture" in render_report(gone)


def test_a_missed_gate_is_said_first(five):
    page = render_report(replace(five, gates=gates.parse("accuracy=0.99")))
    assert "Not good enough." in page
    assert "gate accuracy: reached" in page


def test_contrast_is_enough_in_light_and_dark():
    style = (Path(rendering_module.__file__).parent / "templates" / "style.css").read_text()
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    themes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", part.split("* {")[0])) for part in (light, dark)
    ]
    for theme in themes:
        for ink in ("ink", "soft", "link", "good", "fair", "poor"):
            for paper in ("paper", "panel"):
                assert contrast(theme[ink], theme[paper]) >= 4.5, (ink, paper)
        for line in range(8):
            assert contrast(theme[f"c{line}"], theme["paper"]) >= 3, line


def contrast(one, other):
    """The contrast ratio of WCAG 2.2."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_it_is_written_whole_and_small(five, two_hundred, tmp_path):
    for facts, most in ((five, 1_000_000), (two_hundred, 3_000_000)):
        path = write_report(facts, tmp_path / "report.html")
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        assert path.stat().st_size < most
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_it_loads_nothing_heavy():
    heavy = "{'tensorflow', 'keras', 'matplotlib'}"
    code = f"import sys, transferkit.report; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_overview_answers_three_questions_and_explains_its_figures(five):
    page = render_report(replace(five, training_accuracy=0.913, seconds=81.0))
    answers = page[page.index('<dl class="answers">') : page.index('<dl class="tiles">')]
    assert re.findall(r"<dt>(.+?)</dt>", answers) == [
        "Is it good enough?",
        "Where does it fail?",
        "What next?",
    ]
    assert "Weakest class daisy: 31 of 38 found" in answers
    assert "Look at the mistakes with daisy" in render_report(replace(five, history=()))
    # Its training ended before it was done, which comes first.
    assert "What next?</dt><dd>Train longer" in answers, answers
    tiles = page[page.index('<dl class="tiles">') : page.index('<dl class="facts">')]
    shown = re.findall(r"<div>(.+?)</div>", tiles)
    assert len(shown) > 8
    assert all(tile.rindex("<small>") > 0 for tile in shown), "a figure without its meaning"
    assert "<dt>accuracy in training</dt><dd>0.913" in tiles
    # One total: what no stage took has a row of its own.
    assert "1 min 21 s in all" in page
    assert "between stages" in page


def test_its_words_are_the_fields(five):
    page = render_report(five)
    assert "true ↓ predicted →" in page
    assert "perfect calibration" in page
    for odd in ("is ↓ called", "came true", " called <strong"):
        assert odd not in page


def test_words_between_backticks_are_code_and_nothing_else_is_markup(five):
    facts = replace(five, summary={**five.summary, "notes": "see `transferkit data check <x>`; <b>`"})
    page = render_report(facts)
    assert "see <code>transferkit data check &lt;x&gt;</code>; &lt;b&gt;`" in page
