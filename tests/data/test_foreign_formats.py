"""Files that people put among their photos, and what they are told."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from transferkit.data.image_facts import read_facts
from transferkit.data.sources.class_folder import read_class_folder
from transferkit.errors import UserError

FOREIGN = {
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
    "page": (b"\n<!DOCTYPE html><html><head>", "a web page"),
    "heic": (b"\0\0\0\x24ftypheic\0\0\0\0mif1heic", "HEIC"),
    "raw": (b"\0\0\0\x18ftypcrx \0\0\0\x01", "raw photo"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
    "pdf": (b"%PDF-1.7", "PDF"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
    "jxl": (b"\xff\x0a\xfa\x1f", "JPEG XL"),
    "zeros": (bytes(4096), "zero bytes"),
    "text": (b"hello", "no image format that is read"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_reason_says_what_a_file_is(name):
    content, says = FOREIGN[name]
    with pytest.raises(ValueError, match=says):
        read_facts(io.BytesIO(content))


def _said(content):
    try:
        facts = read_facts(io.BytesIO(content))
    except ValueError as error:
        return str(error)
    return f"{facts.width} × {facts.height}"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_file_that_is_cut_anywhere_in_its_header_is_said_to_be_so(form):
    file = io.BytesIO()
    Image.new("RGB", (24, 20)).save(file, form)
    for length in range(20, len(file.getvalue())):
        said = _said(file.getvalue()[:length])
        assert said == "24 × 20" or said.startswith("the header is "), (length, said)


def test_a_class_of_such_files_is_refused_with_what_they_are(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.pdf").write_bytes(FOREIGN["pdf"][0])
    with pytest.raises(UserError, match=r"none of its folders .*; a/scan\.pdf: it is a PDF document"):
        read_class_folder(tmp_path)
    (tmp_path / "b" / "scan.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "1.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UserError, match=r"class 'b'.*scan\.npy.*it is a NumPy array"):
        read_class_folder(tmp_path)
