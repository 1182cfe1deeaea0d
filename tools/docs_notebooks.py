"""Puts badges that open the notebooks in Colab on their page of the site: a hook of MkDocs.

Colab opens notebooks by their place on GitHub, which the workflow that publishes the site knows
(``GITHUB_REPOSITORY``). A site that is built elsewhere has no badges.
"""

from __future__ import annotations

import os
import re
from typing import Any

__all__ = ["on_page_markdown"]

_MARK = re.compile(r"<!-- colab: (\w+) -->")
_COLAB = "https://colab.research.google.com"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills the marks of a page."""
    repository = os.environ.get("GITHUB_REPOSITORY")

    def badge(mark: re.Match[str]) -> str:
        if not repository:
            return ""
        link = f"{_COLAB}/github/{repository}/blob/main/notebooks/{mark[1]}.ipynb"
        return f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({link})"

    return _MARK.sub(badge, markdown)
