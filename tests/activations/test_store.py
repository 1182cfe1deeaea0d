"""The store: what is committed is found again, by any process, after any end of the one that wrote it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from transferkit.activations import rows as array_rows
from transferkit.activations import store as stores
from transferkit.activations.index import HEADER, RECORD, digests_of
from transferkit.activations.store import Store

SHAPE = (3, 5)


def digests(numbers) -> np.ndarray:
    return digests_of([hashlib.sha256(str(number).encode()).hexdigest() for number in numbers])


def rows(numbers, dtype="float32") -> np.ndarray:
    """Rows that say which image they belong to."""
    return np.stack([np.full(SHAPE, number, dtype) for number in numbers])


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(stores, "SEGMENT_BYTES", 4 * 3 * 5 * 4)  # four rows a segment


def test_rows_come_back_in_the_order_asked_for(tmp_path, small_segments):
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests(range(10)), rows(range(10)))
    store.add(digests(range(10, 13)), rows(range(10, 13)))
    order = [12, 0, 7, 7, 3]
    np.testing.assert_array_equal(store.rows(digests(order))[:], rows(order))
    assert len(store.segments()) == 4
    assert len(store) == 13


def test_another_opening_finds_them_and_an_unknown_one_is_not_found(tmp_path):
    Store(tmp_path / "s", SHAPE, "float32").add(digests([1, 2]), rows([1, 2]))
    again = Store.open(tmp_path / "s")
    assert list(again.has(digests([2, 5, 1]))) == [True, False, True]
    with pytest.raises(KeyError):
        again.rows(digests([5]))


def test_half_precision_takes_half_the_place(tmp_path):
    store = Store(tmp_path / "s", SHAPE, "float16")
    store.add(digests([1, 2]), rows([1, 2], "float16"))
    assert store.rows(digests([2]))[:].dtype == np.float16
    assert sum(status.st_size for status in store.segments().values()) == 2 * 15 * 2


def test_a_row_that_is_there_is_not_written_again(tmp_path):
    store, other = (Store(tmp_path / "s", SHAPE, "float32") for _ in range(2))
    store.add(digests([1, 2]), rows([1, 2]))
    other.add(digests([2, 3]), rows([200, 3]))
    assert len(other) == 3
    np.testing.assert_array_equal(store.rows(digests([2, 3]))[:], rows([2, 3]))


def test_a_digest_that_ends_in_zeros_is_its_own(tmp_path):
    store = Store(tmp_path / "s", SHAPE, "float32")
    names = digests_of(["ab" * 31 + "00", "ab" * 30 + "0000", "00" * 32])
    store.add(names, rows([1, 2, 3]))
    np.testing.assert_array_equal(Store.open(tmp_path / "s").rows(names)[:], rows([1, 2, 3]))


@pytest.mark.parametrize("cut", [1, RECORD.itemsize // 2, RECORD.itemsize - 1])
def test_a_torn_record_is_not_read_and_the_next_writer_goes_on(tmp_path, cut):
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests([1, 2]), rows([1, 2]))
    index = tmp_path / "s" / "index"
    os.truncate(index, index.stat().st_size - cut)
    again = Store.open(tmp_path / "s")
    assert list(again.has(digests([1, 2]))) == [True, False]
    again.add(digests([2, 3]), rows([2, 3]))
    np.testing.assert_array_equal(Store.open(tmp_path / "s").rows(digests([3, 2, 1]))[:], rows([3, 2, 1]))


def test_a_record_with_a_flipped_bit_is_not_read(tmp_path):
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests([1, 2]), rows([1, 2]))
    index = tmp_path / "s" / "index"
    data = bytearray(index.read_bytes())
    data[HEADER.itemsize + RECORD.itemsize + 3] ^= 1
    index.write_bytes(data)
    assert list(Store.open(tmp_path / "s").has(digests([1, 2]))) == [True, False]


def test_rows_without_records_are_written_over(tmp_path):
    """What a writer leaves that was killed between the rows and their records."""
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests([1]), rows([1]))
    with open(store.segment_path(min(store.segments())), "ab") as file:
        file.write(b"\xff" * 90)
    store.add(digests([2, 3]), rows([2, 3]))
    np.testing.assert_array_equal(Store.open(tmp_path / "s").rows(digests([1, 2, 3]))[:], rows([1, 2, 3]))


def test_a_damaged_row_is_found_and_dropped(tmp_path):
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests([1, 2, 3]), rows([1, 2, 3]))
    with open(store.segment_path(min(store.segments())), "r+b") as file:
        file.seek(60 + 7)
        file.write(b"\x55")
    assert store.verify() == 1
    assert list(Store.open(tmp_path / "s").has(digests([1, 2, 3]))) == [True, False, True]
    assert store.verify() == 0


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_rows_of_a_segment_that_is_gone_or_short_are_not_there(tmp_path, small_segments, damage):
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests(range(8)), rows(range(8)))
    if damage == "gone":
        os.unlink(store.segment_path(min(store.segments())))
        wanted = [False] * 4 + [True] * 4
    else:
        os.truncate(store.segment_path(min(store.segments())), 130)
        wanted = [True, True, False, False] + [True] * 4
    assert list(store.has(digests(range(8)))) == wanted
    # They can be computed anew, and are found then.
    store.add(digests(range(8)), rows(range(8)))
    np.testing.assert_array_equal(store.rows(digests(range(8)))[:], rows(range(8)))


def test_what_is_mapped_stays_readable_after_eviction_and_numbers_are_never_used_again(
    tmp_path, small_segments
):
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests(range(8)), rows(range(8)))
    stale = Store.open(tmp_path / "s")
    mapped, numbers = store.rows(digests(range(8))), set(store.segments())
    with stores.locked(store.folder / "lock"):
        assert store.evict(numbers) == 8 * 60
    np.testing.assert_array_equal(mapped[:], rows(range(8)))
    store.add(digests(range(20, 24)), rows(range(20, 24)))
    assert set(store.segments()) == {max(numbers) + 1}
    assert not stale.has(digests(range(8))).any()
    np.testing.assert_array_equal(stale.rows(digests([21]))[:], rows([21]))


def test_threads_and_openings_that_write_at_once_lose_nothing(tmp_path, small_segments):
    def write(start: int) -> None:
        own = Store(tmp_path / "s", SHAPE, "float32")
        for number in range(start, start + 30, 3):
            own.add(digests(range(number, number + 3)), rows(range(number, number + 3)))

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 15, 30, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = Store.open(tmp_path / "s")
    assert len(store) == 60
    np.testing.assert_array_equal(store.rows(digests(range(60)))[:], rows(range(60)))


_WRITER = """
import hashlib, sys
import numpy as np
from transferkit.activations.index import digests_of
from transferkit.activations.store import Store
store = Store(sys.argv[1], (1000,), "float32")
number = 0
while True:
    digest = digests_of([hashlib.sha256(str(number).encode()).hexdigest()])
    store.add(digest, np.full((1, 1000), number, np.float32))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_writer_leaves_every_row_that_it_committed_and_nothing_wrong(tmp_path):
    script = tmp_path / "writer.py"
    script.write_text(_WRITER.replace("Store(sys.argv[1]", "Store(__import__('pathlib').Path(sys.argv[1])"))
    command = [sys.executable, str(script), str(tmp_path / "s")]
    written = -1
    for kill_after in (5, 40):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                written = max(written, int(line))
                if int(line) >= kill_after:
                    process.send_signal(signal.SIGKILL)
                    break
    store = Store.open(tmp_path / "s")
    assert len(store) >= written + 1
    found = store.rows(digests(range(written + 1)))[:]
    np.testing.assert_array_equal(found, np.arange(written + 1)[:, None] * np.ones(1000))
    assert store.verify() == 0


@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_indexing_is_that_of_an_array(tmp_path, small_segments, monkeypatch, in_memory):
    monkeypatch.setattr(array_rows, "IN_MEMORY_BYTES", in_memory)
    store = Store(tmp_path / "s", SHAPE, "float32")
    store.add(digests(range(9)), rows(range(9)))
    array = store.rows(digests(range(9)))
    plain = rows(range(9))
    assert array.shape == plain.shape
    assert array.nbytes == plain.nbytes
    for index in (3, -1, slice(2, 7, 2), [8, 0], np.array([[1, 2], [3, 4]]), np.arange(9) % 2 == 0, []):
        wanted = plain[np.asarray(index, int)] if isinstance(index, list) else plain[index]
        np.testing.assert_array_equal(array[index], wanted)
    np.testing.assert_array_equal(np.asarray(array), plain)
    with pytest.raises(IndexError):
        array[9]
