"""Files to batches of decoded images, in parallel and in order; what cannot be read is reported and left out.

Threads read, hash and decode: file access, hashing and TensorFlow's ops all release the interpreter's lock.
An image that cannot be read ends nothing: its place in the batch is closed up and its reason handed over.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from transferkit.cpu import available_cores
from transferkit.data.image_facts import read_facts
from transferkit.data.pixels.decode import decode
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.decoding_memory import decoding_bytes, shared_budget
from transferkit.data.pixels.transcode import readable_in_graph

__all__ = ["Batch", "Unreadable", "decoder", "read_image", "read_images", "reason_of"]

_TRACE = ("Graph execution error", "Detected at ", "<stack traces unavailable>")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One image that could not be read: its index in what was asked for, its file and why, in one line."""

    index: int
    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded images.

    Attributes:
        indices: int64 ``[n]``, ascending: places in what was asked for.
        images: uint8 ``[n, height, width, 3]``.
        unreadable: the images of this batch that are missing above.
    """

    indices: np.ndarray
    images: np.ndarray
    unreadable: tuple[Unreadable, ...]


def read_images(
    items: Iterable[tuple[str | None, str | os.PathLike[str]]],
    decoding: Decoding,
    *,
    batch_size: int = 32,
    threads: int | None = None,
    ahead: int = 3,
) -> Iterator[Batch]:
    """Reads and decodes files.

    Args:
        items: content hash (64 hexadecimal digits, or None where unknown) and file of each image. A file
            whose bytes no longer have the hash is unreadable: it would be kept under the wrong name.
        decoding: what decides the pixels.
        batch_size: images a batch; the last may hold fewer.
        threads: threads that decode; None takes as many as the process has cores.
        ahead: batches that are decoded while the caller works on one. They bound the memory used.

    Yields:
        One :class:`Batch` for each ``batch_size`` items, in order. It may be empty.
    """
    threads = threads or available_cores()
    numbered = enumerate(items)
    pending: deque[tuple[np.ndarray, list[tuple[int, Path]], list[Future[str | None]]]] = deque()
    decoder(decoding)  # traced here, once, and not by several threads
    with ThreadPoolExecutor(threads, thread_name_prefix="transferkit-decode") as pool:
        try:
            while True:
                while len(pending) <= ahead:
                    part = list(itertools.islice(numbered, batch_size))
                    if not part:
                        break
                    images = np.empty((len(part), *decoding.size, 3), np.uint8)
                    futures = [
                        pool.submit(_read_into, images[place], decoding, sha256, path)
                        for place, (_, (sha256, path)) in enumerate(part)
                    ]
                    pending.append((images, [(index, Path(path)) for index, (_, path) in part], futures))
                if not pending:
                    return
                yield _closed_up(*pending.popleft())
        finally:
            # The caller may stop early: what is queued then is not worth decoding.
            pool.shutdown(wait=False, cancel_futures=True)


@functools.lru_cache(maxsize=8)
def decoder(decoding: Decoding) -> Callable[[bytes], np.ndarray]:
    """A function from the bytes of a file to uint8 ``[height, width, 3]``, traced once, safe in threads.

    It raises ``tf.errors.InvalidArgumentError`` or ``ValueError`` for what is no image.
    """

    def run(encoded: tf.Tensor) -> tf.Tensor:
        with tf.device("/CPU:0"):
            return decode(encoded, decoding)

    traced = tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec([], tf.string))

    def call(encoded: bytes) -> np.ndarray:
        result: np.ndarray = traced(tf.constant(readable_in_graph(encoded, decoding))).numpy()
        return result

    return call


def read_image(path: str | os.PathLike[str], decoding: Decoding, sha256: str | None = None) -> np.ndarray:
    """uint8 ``[height, width, 3]`` of a file, decoded when the threads' shared memory has room for it.

    Args:
        path: of the file.
        decoding: size, resizing, background and depth.
        sha256: 64 hexadecimal digits that its bytes must have; None for any bytes.

    Raises:
        OSError: it cannot be read.
        ValueError: its bytes no longer have the hash, or are no image; see :func:`reason_of`.
        tf.errors.InvalidArgumentError: they are no image.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        with shared_budget.held(_needed(file, size, decoding)):
            file.seek(0)
            encoded = file.read()
            if not encoded:
                raise ValueError("the file is empty")
            if sha256 is not None and hashlib.sha256(encoded).hexdigest() != sha256:
                raise ValueError("the file changed since it was listed")
            return decoder(decoding)(encoded)


def _read_into(
    row: np.ndarray, decoding: Decoding, sha256: str | None, path: str | os.PathLike[str]
) -> str | None:
    """Decodes a file into ``row``; returns the reason where it cannot."""
    try:
        row[:] = read_image(path, decoding, sha256)
    except (OSError, tf.errors.OpError, ValueError) as error:
        return reason_of(error)
    return None


def _needed(file: BinaryIO, size: int, decoding: Decoding) -> int:
    """Bytes of memory that decoding a file takes, as far as its header tells."""
    try:
        return decoding_bytes(read_facts(file), size, decoding)
    except Exception:  # a broken header: the decoder will say what is the matter
        return 2 * size


def reason_of(error: Exception) -> str:
    """Why an image could not be decoded, in one line: without TensorFlow's trace and its names of nodes."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("  ")]
    # Newer versions put where the node was made before what is the matter.
    lines = [line for line in lines if not line.startswith(_TRACE)] or [type(error).__name__]
    line = lines[0]
    while line.startswith("{{") and "}}" in line:
        line = line.split("}}", 1)[1].strip()
    return line.split(" [Op:")[0].split(" [[")[0].strip()[:200]


def _closed_up(images: np.ndarray, where: list[tuple[int, Path]], futures: list[Future[str | None]]) -> Batch:
    reasons = [future.result() for future in futures]
    unreadable = tuple(
        Unreadable(index, path, reason)
        for (index, path), reason in zip(where, reasons, strict=True)
        if reason is not None
    )
    indices = np.array([index for index, _ in where], np.int64)
    if unreadable:
        good = np.array([reason is None for reason in reasons])
        indices, images = indices[good], images[good]
    return Batch(indices, images, unreadable)
