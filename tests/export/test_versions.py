"""Versions count up, and each appears whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from transferkit.export.versions import NewVersion, next_number, versions


def test_versions_count_up_whatever_else_lies_there(tmp_path):
    for name in ("1", "3", "10", "notes", ".partial-x"):
        (tmp_path / name).mkdir()
    (tmp_path / "12").write_text("a file")
    assert [path.name for path in versions(tmp_path)] == ["1", "3", "10"]
    assert next_number(tmp_path) == 11
    assert versions(tmp_path / "absent") == []


def test_a_version_is_out_of_sight_until_it_is_published(tmp_path):
    version = NewVersion(tmp_path / "export")
    (version.path / "saved_model.pb").write_text("half")
    assert versions(tmp_path / "export") == []
    place = version.publish()
    assert place.name == "1"
    assert (place / "saved_model.pb").read_text() == "half"
    assert place.stat().st_mode & 0o777 == 0o755


def test_a_discarded_version_leaves_nothing(tmp_path):
    NewVersion(tmp_path / "export").discard()
    assert list(tmp_path.iterdir()) == []


def test_versions_published_at_once_get_numbers_of_their_own(tmp_path):
    made = [NewVersion(tmp_path) for _ in range(12)]
    for number, version in enumerate(made):
        (version.path / "which").write_text(str(number))
    with ThreadPoolExecutor(12) as pool:
        places = list(pool.map(lambda version: version.publish(), made))
    assert sorted(int(path.name) for path in places) == list(range(1, 13))
    assert sorted(int((path / "which").read_text()) for path in places) == list(range(12))
