"""What a file is by its name: a picture, another kind of data, a paper beside it, or clutter."""

from __future__ import annotations

import os
import re

__all__ = ["BESIDE", "OTHER_DATA", "PAPERS", "is_clutter", "is_record", "picture_by_name"]

# What file managers, cameras' cards and network disks leave beside the photos: nobody misses it.
_CLUTTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__pycache__", "@eadir", "#recycle"}
_CLUTTER |= {"$recycle.bin", "system volume information", "lost+found", ".ds_store", ".picasa.ini"}
# Endings of text, code and annotations: a folder of these alone is no class.
BESIDE = {
    ".txt", ".text", ".md", ".rst", ".rtf", ".pdf", ".doc", ".docx", ".odt", ".html", ".htm", ".css",
    ".url", ".csv", ".tsv", ".xls", ".xlsx", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml",
    ".toml", ".ini", ".cfg", ".conf", ".log", ".py", ".pyc", ".ipynb", ".r", ".m", ".js", ".sh", ".bat",
    ".lst", ".names", ".data", ".license",
}  # fmt: skip
PAPERS = {
    "license",
    "licence",
    "readme",
    "copying",
    "authors",
    "notice",
    "makefile",
    "dockerfile",
    "citation",
}
# Endings of what may hold data, but is no picture of ours. What has another ending, or none, is tried.
OTHER_DATA = {
    ".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".parquet", ".arrow", ".feather",
    ".lmdb", ".mdb", ".db", ".sqlite", ".rec", ".zip", ".tar", ".gz", ".tgz",
    ".bz2", ".xz", ".7z", ".rar", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".mp3", ".wav", ".dcm",
    ".nii", ".pt", ".pth", ".onnx", ".tflite", ".pb", ".keras", ".ckpt", ".bin", ".exe", ".dll", ".so",
    ".psd", ".svg", ".ai", ".eps",
}  # fmt: skip
# TFRecord files by their usual endings, or named as a shard: train-00000-of-00008.
_RECORD = re.compile(r"\.tfrec|\.tfr$|\.records?$|-\d{5}-of-\d{5}(\.gz)?$", re.IGNORECASE)


def is_record(name: str) -> bool:
    """Whether a file's name is that of a TFRecord file."""
    return _RECORD.search(name) is not None


def picture_by_name(name: str) -> bool:
    """Whether a file's name says nothing else: what has an unknown ending, or none, is tried."""
    ending = os.path.splitext(name)[1].lower()
    return not (name.startswith(".") or ending in BESIDE or ending in OTHER_DATA or is_record(name))


def is_clutter(name: str) -> bool:
    """Whether it is something of a file manager, a camera's card or a network disk: nobody misses it."""
    # "._name" is what macOS writes beside each file on a disk of another kind.
    return name.startswith(("._", "__MACOSX")) or name.casefold() in _CLUTTER
