"""The badges of the notebooks' page."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "notebooks.md"


def filled() -> str:
    spec = importlib.util.spec_from_file_location("docs_notebooks", ROOT / "tools" / "docs_notebooks.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook.on_page_markdown(PAGE.read_text("utf-8"), page=None, config=None, files=None)


def test_each_notebook_opens_in_colab_from_where_the_site_is_published(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/transferkit")
    page = filled()
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"/github/someone/transferkit/blob/main/notebooks/{notebook.name})" in page
        assert f"`{notebook.name}`" in page
    assert "<!--" not in page


def test_a_site_without_an_address_has_no_badges(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert "colab" not in filled().lower()
