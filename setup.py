"""Which packages there are: the code, found by looking, and two folders of data that travel inside the wheel.

Everything else of the metadata stands in setup.cfg, which cannot say both "find" and "and these".
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["transferkit*"]), "transferkit.cards", "transferkit.recipe_files"],
    package_dir={"transferkit.cards": "backbones", "transferkit.recipe_files": "recipes"},
)
