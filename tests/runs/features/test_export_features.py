"""The features that a retraining sees, as a table."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.cli import main
from transferkit.data.splits.split import Ledger
from transferkit.recipe import load
from transferkit.runs.features.shards import compute_features
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress


def test_rows_have_what_the_retraining_would_have_and_come_from_the_cache(noise_photos, tmp_path, capsys):
    photos = noise_photos({"left": 60, "right": 140}, count=12, spread=60, seed=3)
    (photos / "left" / "broken.png").write_bytes(b"no image")
    cache = f"activations.cache_dir={tmp_path / 'cache'}"
    computed = compute_features(overrides=[cache], data=photos, backbone="embedded")
    segments = sorted(path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.seg"))
    command = ["features", "export", "--data", str(photos), "--backbone", "embedded", "--set", cache]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--to", str(tmp_path / "all.npz"), "--quiet"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    assert "left/broken.png" in err
    # Only the times of use of what was kept have changed: nothing was computed.
    assert len(segments) == len(list((tmp_path / "cache").rglob("*.seg")))
    with np.load(tmp_path / "all.npz") as table:
        found = {name: table[name] for name in table.files}
    assert len(found["features"]) == computed.mine - 1 == 24
    assert out.startswith(f"24 images, {found['features'].shape[1]} numbers each: ")
    assert np.isfinite(found["features"]).all()
    images = prepare(load(overrides=[f"data.path={photos}"], backbone="embedded"), Progress(quiet=True))
    known = {row.sha256: row for row in Ledger(images.rows, False).rows}
    for sha256, label, split, path in zip(
        *(found[key] for key in ("sha256", "label", "split", "path")), strict=True
    ):
        assert (known[str(sha256)].label, known[str(sha256)].split) == (str(label), str(split))
        assert str(path).startswith(str(photos))


def test_a_table_that_cannot_be_written_is_refused_before_any_work(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["features", "export", "--data", str(tmp_path), "--to", str(tmp_path / "all.csv")])
    assert ended.value.code == 2
    assert "expected a file that ends with .parquet, .npz, .npy" in capsys.readouterr().err
