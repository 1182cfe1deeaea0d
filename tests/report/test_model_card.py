"""The model card: front matter that the Hub reads, and text that says what is known."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from transferkit.report import CardText, ExportFacts, ReportFacts, write_model_card
from transferkit.report.usage import python_usage, serving_usage

pytestmark = pytest.mark.extra

yaml = pytest.importorskip("yaml", reason="needs PyYAML to read the front matter")


def front_matter(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("---\n")
    return yaml.safe_load(text[4:].split("\n---\n")[0]), text


def test_front_matter(five, tmp_path):
    front, text = front_matter(write_model_card(five, tmp_path / "README.md"))
    assert front["license"] == "apache-2.0"
    assert front["pipeline_tag"] == "image-classification"
    (model,) = front["model-index"]
    (result,) = model["results"]
    assert result["dataset"] == {"type": "imagefolder", "name": "photos", "split": "validation"}
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["accuracy"] == pytest.approx(five.evaluation.metrics["accuracy"], abs=1e-6)
    assert values["f1"] == pytest.approx(five.evaluation.metrics["f1_macro"], abs=1e-6)
    assert "| train | 500 |" in text
    assert "tulips & \\<others\\>" in text
    assert "- Cut: block_12" in text
    for heading in ("Intended use", "Data", "Training", "Metrics", "Limits", "Licence", "How to use it"):
        assert f"\n## {heading}\n" in text
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_odd_names_stay_yaml_and_odd_licences_other(five, tmp_path):
    odd = replace(five, title='no: "yes" # - {}', license="Some Licence 1.0")
    front, _ = front_matter(write_model_card(odd, tmp_path / "README.md"))
    assert front["model-index"][0]["name"] == 'no: "yes" # - {}'
    assert (front["license"], front["license_name"]) == ("other", "some-licence-1.0")


def test_what_is_not_known_is_said(tmp_path):
    front, text = front_matter(write_model_card(ReportFacts(title="t"), tmp_path / "README.md"))
    assert "license" not in front
    assert "model-index" not in front
    assert "was not evaluated" in text
    assert "not recorded" in text


def test_whether_it_tells_what_is_none_of_its_classes_is_said(five, tmp_path):
    _, silent = front_matter(write_model_card(five, tmp_path / "README.md"))
    assert "gets one of these labels too." in silent
    assert "`unknown`" not in silent
    told = replace(five, unknown="rejects 5.0% by mistake; against bottles_<b>: 0.99")
    _, text = front_matter(write_model_card(told, tmp_path / "README.md"))
    assert "with `unknown` beside it." in text
    assert "rejects 5.0% by mistake; against bottles" in text
    assert "<b>" not in text


def test_the_users_words_replace_the_defaults(five, tmp_path):
    text = CardText("For my garden.", "Fails at night.", "CC-BY 2.0")
    _, page = front_matter(write_model_card(five, tmp_path / "README.md", text))
    assert "For my garden." in page
    assert "Fails at night." in page
    assert "Licence of the photos: CC-BY 2.0" in page


def test_the_shell_request_is_the_json_that_serving_reads(tmp_path):
    if not (shutil.which("bash") and shutil.which("base64")):
        pytest.skip("needs bash and base64")
    photo = bytes(range(256)) * 2000  # too long for an argument
    (tmp_path / "photo.jpg").write_bytes(photo)
    request = serving_usage(ExportFacts("runs/my model/export", "flowers")).split("\n\n")[1]
    script = 'curl() { echo "${@: -1}" >&2; cat; }\n' + request
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert base64.b64decode(json.loads(done.stdout)["instances"][0]["b64"]) == photo
    assert done.stderr.strip() == "http://localhost:8501/v1/models/flowers:predict"
    assert "'runs/my model/export'" in serving_usage(ExportFacts("runs/my model/export", "flowers"))


def test_the_hub_s_own_reader_takes_it(five, tagged, tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="needs the Hub's client to read the card as it does")
    for facts in (five, tagged):
        card = hub.ModelCard.load(write_model_card(facts, tmp_path / "README.md"))
        results = card.data.eval_results
        assert {one.metric_type for one in results} == {"accuracy", "f1"}
        assert all(one.task_type == "image-classification" and one.dataset_name for one in results)
        assert next(one for one in results if one.metric_type == "f1").metric_args == {"average": "macro"}
        assert card.data.pipeline_tag == "image-classification"


@pytest.mark.slow
def test_the_python_lines_run_on_an_export(tmp_path):
    made = """
import tensorflow as tf
class Export(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="bytes")])
    def answer(self, bytes):
        n = tf.shape(bytes)[0]
        labels, ids = tf.tile([["dog", "cat"]], [n, 1]), tf.tile([[1, 0]], [n, 1])
        probabilities = tf.tile([[0.25, 0.75]], [n, 1])
        answer = {"scores": tf.tile([[0.75, 0.25]], [n, 1]), "labels": labels, "class_ids": ids}
        return {**answer, "present": probabilities > 0.5}
export = Export()
tf.saved_model.save(export, "my export/1", signatures={"serving_default": export.answer})
"""
    (tmp_path / "photo.jpg").write_bytes(b"any")
    lines = python_usage(ExportFacts("my export", "flowers"))
    lines += python_usage(ExportFacts("my export", "flowers", multi_label=True))
    done = subprocess.run(
        [sys.executable, "-c", made + lines], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["dog 0.750", "cat 0.250", "dog 0.750 yes", "cat 0.250 no"]
