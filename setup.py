"""Which packages there are, and where the project is published.

The code is found by looking, and two folders of data travel inside the wheel. Everything else of the metadata
stands in setup.cfg, which cannot say both "find" and "and these", nor know where the repository is.
"""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup


def links(repository, server="https://github.com"):
    """Links of the metadata, and the README with links that work away from the repository.

    Args:
        repository: ``OWNER/NAME``, as a workflow of the forge knows it; empty elsewhere, which gives nothing.
        server: of the forge.
    """
    if not repository:
        return {}
    source = f"{server}/{repository}"
    owner, _, name = repository.partition("/")
    readme = (Path(__file__).resolve().parent / "README.md").read_text(encoding="utf-8")
    readme = re.sub(r"(!\[[^]]*\]\()(?!https?:|#)", rf"\1{source}/raw/main/", readme)
    readme = re.sub(r"(\]\()(?!https?:|#)", rf"\1{source}/blob/main/", readme)
    return {
        "long_description": readme,
        "project_urls": {
            "Documentation": f"https://{owner}.github.io/{name}/",
            "Source": source,
            "Changelog": f"{source}/blob/main/CHANGELOG.md",
            "Issues": f"{source}/issues",
        },
    }


if __name__ == "__main__":
    setup(
        packages=[*find_packages(include=["transferkit*"]), "transferkit.cards", "transferkit.recipe_files"],
        package_dir={"transferkit.cards": "backbones", "transferkit.recipe_files": "recipes"},
        **links(
            os.environ.get("GITHUB_REPOSITORY"), os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        ),
    )
