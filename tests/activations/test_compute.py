"""Activations of files: right, once an image, kept, bounded, shared between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.activations import compute as computing
from transferkit.activations import prefix_pass
from transferkit.activations.cache import Cache
from transferkit.activations.views import Views
from transferkit.data.pixels.decoding import Decoding
from transferkit.errors import UserError

SIZE = (16, 24)
DECODING = Decoding(SIZE)


def compute(cut, items, *, decoding, views=None, progress=None, **settings):
    return computing.compute(
        cut, items, decoding, computing.ComputeSettings(**settings), views=views, progress=progress
    )


def wanted(cut, items) -> np.ndarray:
    return np.asarray(cut.prefix(np.stack([np.asarray(Image.open(path)) for _, path in items])))


class Counted:
    """A cut that counts the images that go through it."""

    def __init__(self, cut) -> None:
        self.images = 0
        self.shape, self.fingerprint, self._cut = cut.shape, cut.fingerprint, cut

    def _count(self, images) -> np.ndarray:
        self.images += len(images)
        return np.asarray(self._cut.prefix(images), np.float32)

    def prefix(self, images):
        result = tf.numpy_function(self._count, [images], tf.float32)
        return tf.ensure_shape(result, [None, *self.shape])


@pytest.mark.parametrize("engine", ["auto", "tensorflow"])
def test_every_item_gets_its_own_activations(cut, items, cache_dir, engine):
    result = compute(cut, items, decoding=DECODING, engine=engine, batch_size=4)
    assert result.rows.shape == (11,)
    assert result.failures == ()
    np.testing.assert_allclose(result.array[result.rows], wanted(cut, items), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.take([7, 2]), wanted(cut, items)[[7, 2]], rtol=1e-4, atol=1e-5)
    assert (result.stats.distinct, result.stats.computed, result.stats.found) == (11, 11, 0)


def test_an_image_under_two_names_goes_through_once(cut, items, cache_dir):
    counted = Counted(cut)
    doubled = [*items, *items[::-1]]
    result = compute(counted, doubled, decoding=DECODING, engine="tensorflow", batch_size=4)
    assert counted.images == 11
    assert len(result.array) == 11
    np.testing.assert_array_equal(result.rows[:11], result.rows[11:][::-1])


def test_a_second_run_decodes_nothing(cut, items, cache_dir, monkeypatch):
    first = compute(cut, items, decoding=DECODING)

    def never(*args, **kwargs):
        raise AssertionError("an image was read although its activations are there")

    monkeypatch.setattr(prefix_pass, "read_images", never)
    seen = []
    again = compute(
        cut, items[::-1], decoding=DECODING, progress=lambda done, total: seen.append((done, total))
    )
    assert again.stats.found == 11
    assert again.stats.engine is None
    assert seen == [(11, 11)]
    np.testing.assert_array_equal(again.take(range(11)), first.take(range(11))[::-1])


def test_only_what_is_new_is_computed(cut, items, cache_dir):
    compute(cut, items[:6], decoding=DECODING, engine="tensorflow")
    result = compute(cut, items, decoding=DECODING, engine="tensorflow")
    assert (result.stats.computed, result.stats.found) == (5, 6)
    np.testing.assert_allclose(result.take(range(11)), wanted(cut, items), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", ["size", "resize", "background", "exif", "depth", "fingerprint", "dtype"])
def test_whatever_changes_the_result_changes_the_key(cut, items, cache_dir, change):
    compute(cut, items, decoding=DECODING, engine="tensorflow")
    options = {"decoding": DECODING, "dtype": "float32"}
    rules = {"size": (24, 16), "resize": "crop", "background": None, "exif": False, "depth": 12}
    if change == "fingerprint":
        other = SimpleNamespace(prefix=cut.prefix, shape=cut.shape, fingerprint="ef" * 32)
    else:
        other = cut
        if change == "dtype":
            options["dtype"] = "float16"
        else:
            options["decoding"] = replace(DECODING, **{change: rules[change]})
        if change == "size":
            other = SimpleNamespace(
                prefix=lambda images: tf.cast(images[:, 0, :8, 0], tf.float32),
                shape=cut.shape,
                fingerprint=cut.fingerprint,
            )
    assert compute(other, items, engine="tensorflow", **options).stats.computed == 11
    # What was there stays there.
    assert compute(cut, items, decoding=DECODING).stats.found == 11


def test_unreadable_images_are_named_and_the_rest_goes_on(cut, items, cache_dir, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    bad = [("0" * 64, tmp_path / "missing.png"), (items[0][0], tmp_path / "text.jpg")]
    mixed = [bad[0], *items[1:4], bad[1]]
    result = compute(cut, mixed, decoding=DECODING, batch_size=2)
    assert list(result.rows) == [-1, 0, 1, 2, -1]
    assert [(one.index, one.path.name) for one in result.failures] == [(0, "missing.png"), (4, "text.jpg")]
    assert "No such file" in result.failures[0].reason
    assert "changed" in result.failures[1].reason
    np.testing.assert_allclose(result.take([1, 2, 3]), wanted(cut, items[1:4]), rtol=1e-4, atol=1e-5)
    with pytest.raises(IndexError):
        result.take([0])


def test_nothing_readable_gives_an_empty_array(cut, cache_dir, tmp_path):
    result = compute(cut, [("0" * 64, tmp_path / "missing.png")], decoding=DECODING)
    assert result.array.shape == (0, 8)
    assert list(result.rows) == [-1]
    assert result.stats.engine is None


def test_progress_counts_distinct_images(cut, items, cache_dir):
    seen = []
    compute(cut, [*items, items[0]], decoding=DECODING, batch_size=4, progress=lambda *now: seen.append(now))
    assert seen == [(0, 11), (4, 11), (8, 11), (11, 11)]


def test_low_cuts_are_kept_in_half_precision_and_features_are_not(
    deep_cut, cut, items, cache_dir, monkeypatch
):
    assert compute(cut, items, decoding=DECODING).stats.dtype == "float32"
    monkeypatch.setattr(computing, "HALF_FROM_BYTES", 1000)
    result = compute(deep_cut, items, decoding=DECODING)
    assert result.stats.dtype == "float16"
    assert result.array.dtype == np.float16
    assert result.take([0]).dtype == np.float32
    assert result.stats.bytes == 11 * np.prod(deep_cut.shape) * 2
    np.testing.assert_allclose(result.take(range(11)), wanted(deep_cut, items), rtol=2e-3, atol=2e-3)


def test_activations_beyond_half_precision_are_never_made_infinite(cut, items, cache_dir, monkeypatch):
    large = SimpleNamespace(
        prefix=lambda images: cut.prefix(images) * 1e7, shape=cut.shape, fingerprint="1" * 64
    )
    with pytest.raises(UserError, match=r"activations\.dtype"):
        compute(large, items, decoding=DECODING, engine="tensorflow", dtype="float16")
    monkeypatch.setattr(computing, "HALF_FROM_BYTES", 1)
    result = compute(large, items, decoding=DECODING, engine="tensorflow")
    assert result.stats.dtype == "float32"
    assert np.isfinite(result.array[:]).all()


def test_what_cannot_fit_is_refused_before_any_work(cut, items, cache_dir, monkeypatch):
    monkeypatch.setattr(prefix_pass, "read_images", None)
    with pytest.raises(UserError, match=r"activations\.max_bytes: received 351, expected at least 352"):
        compute(cut, items, decoding=DECODING, max_bytes=11 * 32 - 1)


def test_the_cache_stays_within_its_bound_and_the_oldest_go(cut, items, cache_dir):
    for number in range(4):
        other = SimpleNamespace(prefix=cut.prefix, shape=cut.shape, fingerprint=str(number) * 64)
        compute(other, items, decoding=DECODING, engine="tensorflow", cache_dir=cache_dir)
        time.sleep(0.02)
    cache = Cache(cache_dir)
    # Room for three of the five, each with its compiled model.
    bound = 3 * cache.bytes() // 4 + 100
    newest = SimpleNamespace(prefix=cut.prefix, shape=cut.shape, fingerprint="9" * 64)
    compute(newest, items, decoding=DECODING, engine="tensorflow", max_bytes=bound)
    assert cache.bytes() <= bound
    kept = {entry.about["cut"][0] for entry in cache.entries() if entry.kind == "activations" and entry.rows}
    assert kept == {"9", "3", "2"}


def test_a_folder_that_cannot_be_written_is_a_users_fault(cut, items, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"activations\.cache_dir"):
        compute(cut, items, decoding=DECODING, cache_dir=tmp_path / "file")


def test_two_runs_at_once_share_the_work(cut, items, cache_dir):
    counted = Counted(cut)
    results = []

    def run() -> None:
        results.append(compute(counted, items, decoding=DECODING, engine="tensorflow", batch_size=2))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_allclose(result.take(range(11)), wanted(cut, items), rtol=1e-4, atol=1e-5)
    assert len({len(result.array) for result in results}) == 1


_RUN = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, tensorflow as tf
from transferkit.activations import writer
from transferkit.activations.compute import ComputeSettings, compute
from transferkit.data.pixels.decoding import Decoding
writer._COMMIT_BYTES = 1
cut = SimpleNamespace(
    prefix=lambda images: tf.reduce_mean(tf.cast(images, tf.float32), [1, 2]),
    shape=(3,),
    fingerprint="7" * 64,
)
lines = [line.split(" ", 1) for line in Path(sys.argv[1]).read_text().splitlines()]
result = compute(
    cut, lines, Decoding((16, 24)),
    ComputeSettings(batch_size=1, engine="tensorflow", cache_dir=sys.argv[2]),
    progress=lambda done, total: print(done, flush=True),
)
np.save(sys.argv[3], result.take(range(len(lines))))
"""


def test_a_killed_run_is_taken_up_where_it_was(items, tmp_path):
    script, listed, folder = tmp_path / "run.py", tmp_path / "items.txt", tmp_path / "cache"
    script.write_text(_RUN)
    listed.write_text("\n".join(f"{sha256} {path}" for sha256, path in items))
    command = [sys.executable, str(script), str(listed), str(folder), str(tmp_path / "out.npy")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if int(line) == 5:
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    assert not any(one.damaged for one in Cache(folder).verify())
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    assert int(done.stdout.split()[0]) >= 3
    means = [np.asarray(Image.open(path)).mean((0, 1)) for _, path in items]
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), means, rtol=1e-4)


def flip_some(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """An augmentation: brightness by the seed alone."""
    return (images // 2 + (seeds[:, 0] % 100)[:, None, None, None]).astype(np.uint8)


def test_views_are_drawn_from_the_seed_and_kept(cut, items, cache_dir):
    views = Views(3, flip_some, "brightness", seed=5)
    result = compute(cut, items, decoding=DECODING, engine="tensorflow", views=views, batch_size=4)
    assert result.rows.shape == (11, 3)
    hashes = [sha256 for sha256, _ in items]
    images = np.stack([np.asarray(Image.open(path)) for _, path in items])
    for view in range(3):
        shown = flip_some(images, views.seeds(hashes, view))
        np.testing.assert_allclose(
            result.take(range(11), view), np.asarray(cut.prefix(shown)), rtol=1e-4, atol=1e-5
        )
    assert not np.array_equal(result.take([0], 0), result.take([0], 1))
    fewer = compute(cut, items, decoding=DECODING, views=Views(2, flip_some, "brightness", seed=5))
    assert fewer.stats.computed == 0
    drawn = []

    def augment(images, seeds):
        drawn.append(len(images))
        return flip_some(images, seeds)

    compute(cut, items[:2], decoding=DECODING, engine="tensorflow", views=Views(4, augment, "brightness", 5))
    assert drawn == [2]
    other = compute(
        cut, items[:1], decoding=DECODING, engine="tensorflow", views=Views(1, flip_some, "brightness", 6)
    )
    assert not np.array_equal(other.take([0]), result.take([0]))
