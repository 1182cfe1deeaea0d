"""Peak memory of decoding a folder of any files, hostile ones among them, with four threads.

To the files of the folder (Pillow's own test images are a good one) it adds images whose headers ask for as
much as the limits let through. The figure is that of a process of its own, TensorFlow included.
"""

from __future__ import annotations

import argparse
import os
import resource
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

THREADS = 4


def png(width: int, height: int, bits: int, colour: int) -> bytes:
    """A valid PNG of one value: kilobytes that become hundreds of megabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels * bits // 8)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", help="files to decode besides")
    folder = parser.parse_args().folder
    from transferkit.data.check import read_header
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import decoder, read_images

    with tempfile.TemporaryDirectory() as name:
        for number in range(4):
            Path(name, f"rgb {number}.png").write_bytes(png(9900, 10000, 8, 2))
            Path(name, f"rgba {number}.png").write_bytes(png(3900, 10000, 8, 6))
            Path(name, f"deep {number}.png").write_bytes(png(2800, 10000, 16, 2))
        files = [
            path
            for root in (name, folder)
            if root
            for path in sorted(Path(root).rglob("*"))
            if path.is_file()
        ]
        decoder(Decoding((224, 224)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        began = time.perf_counter()
        headers = [read_header(path, path.parent) for path in files]
        allowed = [(None, path) for path, header in zip(files, headers, strict=True) if not header.beyond]
        read = sum(len(b.indices) for b in read_images(allowed, Decoding((224, 224)), threads=THREADS))
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{len(files)} files, {len(files) - len(allowed)} refused by a limit, {read} read in "
        f"{seconds:.0f} s: {before:.2f} GB before, {peak:.2f} GB at the peak"
    )


if __name__ == "__main__":
    sys.exit(main())
