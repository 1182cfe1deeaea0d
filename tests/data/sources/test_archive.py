"""Archives: read safely, refused where they are hostile."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from transferkit.data.sources import read_source
from transferkit.data.sources.archive import ArchiveLimits, read_archive
from transferkit.errors import UserError


def zipped(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files, mode="w:gz", special=()):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info)
    return path


@pytest.fixture
def files(picture):
    return {f"photos/{name}/{i}.jpg": picture(10 * k + i) for k, name in enumerate("ab") for i in range(3)}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("p.zip", zipped),
        ("p.tar", lambda path, files: tarred(path, files, "w")),
        ("p.tar.gz", tarred),
        ("P.TGZ", tarred),
        ("p.tar.xz", lambda path, files: tarred(path, files, "w:xz")),
        ("called.zip", tarred),
        ("plain.zip", lambda path, files: tarred(path, files, "w")),
        ("called.tar", zipped),
    ],
)
def test_class_folders_come_out(tmp_path, files, name, write):
    found = read_source(write(tmp_path / name, files), unpack_to=tmp_path / "to")
    assert found.classes == ("a", "b")
    assert [item.name for item in found] == sorted(files)
    for item in found:
        assert item.path.read_bytes() == files[item.name]


def test_splits_come_out_too(tmp_path, picture):
    files = {f"{split}/{name}/x.jpg": picture(1) for split in ("train", "val") for name in "ab"}
    found = read_archive(zipped(tmp_path / "p.zip", files), tmp_path / "to")
    assert found.splits == ("train", "val")


def test_a_second_reading_unpacks_nothing(tmp_path, files):
    path = zipped(tmp_path / "p.zip", files)
    first = read_archive(path, tmp_path / "to")
    stamps = {item.path: item.path.stat().st_mtime_ns for item in first}
    path.rename(tmp_path / "renamed.zip")
    again = read_archive(tmp_path / "renamed.zip", tmp_path / "to")
    assert {item.path: item.path.stat().st_mtime_ns for item in again} == stamps
    assert len(list((tmp_path / "to").iterdir())) == 1


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "a\\..\\evil.jpg", "C:/evil.jpg"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_refuse_the_archive(tmp_path, files, name, kind):
    bad = {**files, name: b"evil"}
    path = zipped(tmp_path / "p.zip", bad) if kind == "zip" else tarred(tmp_path / "p.tar.gz", bad)
    if kind == "zip":
        # zipfile repairs some names when it writes: put the hostile one in by hand.
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, b"evil")
    with pytest.raises(UserError, match="names inside the archive"):
        read_archive(path, tmp_path / "to" / "deep")
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert left == [path]


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path):
    path = zipped(tmp_path / "p.zip", {"a/x.jpg": bytes(300_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 400_000
    with pytest.raises(UserError, match="bomb"):
        read_archive(path, tmp_path / "to", ArchiveLimits(entry_bytes=10**9))
    assert list((tmp_path / "to").iterdir()) == []


def test_limits(tmp_path, files):
    path = zipped(tmp_path / "p.zip", files)
    with pytest.raises(UserError, match="at most 5 files"):
        read_archive(path, tmp_path / "to", ArchiveLimits(entries=5))
    with pytest.raises(UserError, match="at most 1,000 bytes"):
        read_archive(path, tmp_path / "to", ArchiveLimits(bytes=1000))


def test_links_devices_and_giants_are_left_out_and_named(tmp_path, files):
    link = tarfile.TarInfo("photos/a/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("photos/a/hard.jpg")
    hard.type, hard.linkname = tarfile.LNKTYPE, "photos/a/0.jpg"
    pipe = tarfile.TarInfo("photos/a/pipe.jpg")
    pipe.type = tarfile.FIFOTYPE
    path = tarred(
        tmp_path / "p.tar.gz", {**files, "photos/a/giant.jpg": bytes(5000)}, special=[link, hard, pipe]
    )
    found = read_archive(path, tmp_path / "to", ArchiveLimits(entry_bytes=4000))
    assert len(found) == 6
    assert len(found.left_out) == 4
    assert any("larger than 4,000 bytes (photos/a/giant.jpg)" in note for note in found.notes)
    again = read_archive(path, tmp_path / "to", ArchiveLimits(entry_bytes=4000))
    assert again.notes == found.notes
    assert not any(p.is_symlink() for p in (tmp_path / "to").rglob("*"))


@pytest.mark.parametrize("name", ["p.zip", "p.tar.gz"])
def test_broken_archives_are_refused(tmp_path, files, name):
    path = (zipped if name == "p.zip" else tarred)(tmp_path / name, files)
    whole = path.read_bytes()
    for cut in range(1, 10):
        path.write_bytes(whole[: len(whole) * cut // 10])
        with pytest.raises(UserError):
            read_archive(path, tmp_path / "to")
    assert not (tmp_path / "to").exists() or list((tmp_path / "to").iterdir()) == []


def test_archives_of_older_windows_programs_are_read(tmp_path, files):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ["photos\\a\\", *(name.replace("/", "\\") for name in files)]:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, files.get(name.replace("\\", "/"), b""))
    found = read_archive(path, tmp_path / "to")
    assert [item.name for item in found] == sorted(files)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html>404", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n", "git lfs pull"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"", "archive by its content"),
    ],
)
@pytest.mark.parametrize("name", ["p.zip", "p.tar.gz"])
def test_what_came_in_place_of_an_archive_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_archive(tmp_path / name, tmp_path / "to")


def test_an_empty_archive(tmp_path):
    with pytest.raises(UserError, match="no folders"):
        read_archive(zipped(tmp_path / "p.zip", {}), tmp_path / "to")


def test_a_name_that_the_disk_cannot_hold_costs_that_file_alone(tmp_path, files, picture):
    long, deep = "photos/a/" + "x" * 300 + ".jpg", "photos/" + "y" * 300 + "/1.jpg"
    beside = {"photos/a/0.jpg/inside.jpg": picture(1)}  # a file cannot be a folder as well
    more = {**files, long: picture(2), deep: picture(3), **beside}
    for path in (zipped(tmp_path / "p.zip", more), tarred(tmp_path / "p.tar.gz", more)):
        found = read_archive(path, tmp_path / "to")
        assert [item.name for item in found] == sorted(files)
        assert {one.name for one in found.left_out} == {long, deep, *beside}
        assert any("cannot be kept on this disk" in note for note in found.notes)


def test_names_of_macos_archives_are_read_as_what_they_are(tmp_path, picture):
    path = zipped(tmp_path / "p.zip", {f"{name}/1.jpg": picture(1) for name in ("Löwenzahn", "Rose")})
    # Its Archive Utility writes UTF-8 without the flag that says so.
    content = path.read_bytes()
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.index(mark)
        content = content[: start + place] + bytes(2) + content[start + place + 2 :]
    path.write_bytes(content)
    assert zipfile.ZipFile(path).infolist()[0].filename != "Löwenzahn/1.jpg"
    assert read_archive(path, tmp_path / "to").classes == ("Löwenzahn", "Rose")


def test_archives_are_looked_through_as_deep_as_they_wrap(tmp_path, picture):
    files = {
        f"archive/data/{split}/{name}/1.jpg": picture(1) for split in ("Training", "Testing") for name in "ab"
    }
    found = read_archive(zipped(tmp_path / "p.zip", {**files, "archive/README.md": b"x"}), tmp_path / "to")
    assert found.classes == ("a", "b")
    assert found.splits == ("train", "test")
    assert [one.name for one in found.left_out] == ["archive/README.md"]
