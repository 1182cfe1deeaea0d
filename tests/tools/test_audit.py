"""The lowest versions that setup.cfg allows have no published hole that concerns transferkit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "tools" / "audit.py"


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("transferkit_audit", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_lowest_versions_are_sound(audit, capsys):
    assert audit.main([]) == 0
    assert "0 without a reason" in capsys.readouterr().out


def test_every_requirement_has_a_lower_bound(audit):
    assert {"pillow", "keras", "tensorflow", "protobuf", "onnx", "mlflow"} <= set(audit.lowest())


def test_an_old_version_would_be_found(audit, monkeypatch, capsys):
    monkeypatch.setattr(audit, "lowest", lambda: {"pillow": "10.1", "keras": "3.13.0", "mlflow": "1.0"})
    assert audit.main([]) == 1
    said = capsys.readouterr().out
    for name in ("CVE-2023-50447", "CVE-2026-1669"):
        assert f"{name}: OPEN" in said


def test_ranges_of_the_databases(audit):
    events = [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"last_affected": "2.1"}]
    inside = [version for version in ("0.9", "1.0", "1.4", "1.5", "1.9", "2.0", "2.1", "2.2")
              if audit.concerns(version, events)]  # fmt: skip
    assert inside == ["1.0", "1.4", "2.0", "2.1"]
    assert audit.concerns("3.0", [], ["3.0"])


def test_each_exception_has_a_reason(audit):
    assert all(len(reason) > 30 for reason in audit.exceptions().values())
