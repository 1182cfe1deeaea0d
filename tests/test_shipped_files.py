"""The shipped files are found in a checkout and in an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from transferkit import shipped_files


def test_in_a_checkout() -> None:
    assert (shipped_files.shipped("cards") / "mobilenet_v2.toml").is_file()


def test_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "transferkit"
    (package / "cards").mkdir(parents=True)
    (package / "recipe_files").mkdir()
    monkeypatch.setattr(shipped_files, "_PACKAGE", package)
    assert shipped_files.shipped("cards") == package / "cards"
    assert shipped_files.shipped("recipes") == package / "recipe_files"


def test_a_strangers_folder_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "transferkit"
    package.mkdir(parents=True)
    (tmp_path / "site-packages" / "backbones").mkdir()
    monkeypatch.setattr(shipped_files, "_PACKAGE", package)
    with pytest.raises(FileNotFoundError, match="no cards"):
        shipped_files.shipped("cards")
