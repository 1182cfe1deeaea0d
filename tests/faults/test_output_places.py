"""Where results go is looked at before the work that would be lost with them."""

from __future__ import annotations

import errno
import os

import pytest

from transferkit.cli import main
from transferkit.errors import UserError
from transferkit.files.output_place import check_output, output_faults


@pytest.mark.parametrize(
    "words",
    [
        ["probe", "--data", "none", "--out"],
        ["data", "check", "none", "--html"],
        ["augment", "preview", "--data", "none", "--to"],
        ["schedule", "plot", "--data", "none", "--to"],
        ["label", "next", "none", "--data", "none", "--csv"],
        ["embed", "embedded", "none", "--to"],
        ["features", "export", "--data", "none", "--to"],
    ],
)
def test_a_folder_that_is_not_there_is_said_before_anything_is_read(words, tmp_path, capsys):
    ending = {"embed": "npz", "features": "npz"}.get(words[0], "png")
    with pytest.raises(SystemExit) as ended:
        main([*words, str(tmp_path / "none" / f"x.{ending}")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{words[-1]}: " in said
    assert "a file in a folder that exists" in said


def test_a_folder_for_results_may_be_made_but_not_below_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert not output_faults("--to", tmp_path / "deep" / "er", folder=True)
    with pytest.raises(SystemExit):
        main(["lr-find", "--data", "none", "--to", str(tmp_path / "file")])
    assert "is a file" in capsys.readouterr().err


def test_names_devices_and_folders(tmp_path):
    check_output("--to", None)
    check_output("--to", os.devnull)
    check_output("--to", tmp_path / ("x" * 246))
    for place, said in ((tmp_path, "a folder of that name"), (tmp_path / ("x" * 250), "a shorter name")):
        with pytest.raises(UserError, match=said):
            check_output("--to", place)


def test_a_file_beyond_the_system_s_limit_is_said_in_a_line(tmp_path, monkeypatch, capsys):
    def too_large(*_, **__):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(tmp_path / "x.npz"))

    monkeypatch.setattr("transferkit.runs.features.embed.embed", too_large)
    with pytest.raises(SystemExit) as ended:
        main(["embed", "embedded", "a.png", "--to", str(tmp_path / "x.npz")])
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"transferkit: {tmp_path / 'x.npz'}: File too large\n"


def test_the_rows_beside_numbers_write_over_no_table_of_another(tmp_path, capsys):
    """`photos.csv` is what `embed photos.csv --to photos.npy` reads."""
    manifest = tmp_path / "photos.csv"
    manifest.write_text("path,label\na.png,a\n")
    with pytest.raises(SystemExit):
        main(["embed", "embedded", str(manifest), "--to", str(tmp_path / "photos.npy")])
    assert "photos.csv, which holds something else" in capsys.readouterr().err
    assert manifest.read_text().startswith("path,label")
