"""What is optional is read from the metadata of what is installed."""

from __future__ import annotations

from importlib import metadata

import pytest

from transferkit import packages

CARD = """Metadata-Version: 2.1
Name: {name}
Version: {version}
"""
NEEDS = {
    "transferkit": [
        "numpy>=1.26",
        "numpy[fast]; extra == 'gpu'",
        "small>=2; extra == 'small'",
        "large[http]>=1; extra == 'large'",
        "other>=1; sys_platform == 'none' and extra == 'large'",
        "ruff; extra == 'dev'",
    ],
    "small": [],
    "large": ["http-client>=3; extra == 'http'", "unasked; extra == 'more'"],
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts distributions of these versions where they are found."""

    def install(**versions):
        for name, version in {"transferkit": "1.0", **versions}.items():
            folder = tmp_path / f"{name}-{version}.dist-info"
            folder.mkdir()
            lines = [f"Requires-Dist: {need}" for need in NEEDS[name]]
            lines += [f"Provides-Extra: {one}" for one in ("gpu", "small", "large", "dev")]
            (folder / "METADATA").write_text(CARD.format(name=name, version=version) + "\n".join(lines))
        path = [str(tmp_path)]
        found = metadata.Distribution.discover

        def only_here(**given):
            return found(**{**given, "path": path})

        monkeypatch.setattr(metadata.Distribution, "discover", only_here)
        return packages.extras()

    return install


def test_what_is_missing_or_too_old_is_named_by_extra(installed):
    # Extras that bring nothing further, and that of developers, are not among them.
    assert installed(small="1.0") == {"large": ["large"], "small": ["small>=2"]}


def test_the_extras_of_a_requirement_count(installed):
    assert installed(small="2.1", large="1.0") == {"large": ["http-client"], "small": []}


def test_without_an_installation_nothing_is_known(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", missing)
    assert packages.extras() == {}


def test_our_own_are_those_of_the_documents():
    assert {"onnx", "serve", "mlflow", "remote"} <= set(packages.extras())
    assert "dev" not in packages.extras()
