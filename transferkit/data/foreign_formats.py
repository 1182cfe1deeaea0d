"""What a file is that is no image we read, by its first bytes: the reason that helps whoever put it there."""

from __future__ import annotations

__all__ = ["reason_not_read"]

_BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file: git lfs pull fetches it"),
    (b"PK\x03\x04", "a zip archive"),
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document: save it as PNG or JPEG"),
    (b"\xff\x0a", "a JPEG XL image: convert it to JPEG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image: convert it to JPEG"),
    (b"FUJIFILMCCD-RAW", "a raw photo of a camera: develop it to JPEG"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip file"),
)  # fmt: skip
_BRANDS = (
    ((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "a HEIC photo: convert it to JPEG"),
    ((b"crx ",), "a raw photo of a camera: develop it to JPEG"),
    ((b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V "), "a video"),
)
_WEB_PAGE = (b"<!doctype", b"<html", b"<head")


def reason_not_read(head: bytes, expected: str) -> str:
    """What the bytes say the file is, or that it is not what was expected.

    Args:
        head: the first bytes, 32 are enough.
        expected: what it ought to be, without an article, such as ``image format that is read``.

    >>> reason_not_read(b"<!DOCTYPE html><html>", "image format that is read")
    'a web page, as servers send it instead of the file: download it again'
    >>> reason_not_read(b"abc", "image format that is read")
    'no image format that is read'
    """
    for beginning, reason in _BEGINNINGS:
        if head.startswith(beginning):
            return reason
    if head[4:8] == b"ftyp":
        for brands, reason in _BRANDS:
            if head[8:12] in brands:
                return reason
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_WEB_PAGE):
        return "a web page, as servers send it instead of the file: download it again"
    if start.startswith((b"<svg", b"<?xml")):
        return "SVG or another XML document: render it to PNG"
    if head and not any(head):
        return "nothing but zero bytes: the copy was cut short"
    return f"no {expected}"
