"""What tells unknown photos is found after every kind of training."""

from __future__ import annotations

import transferkit


def test_photos_that_passed_the_whole_network_pass_the_frozen_part_for_it(noise_photos, tmp_path):
    photos = noise_photos({"dark": 40, "grey": 120, "light": 210}, 14, 20, between=6)
    run = transferkit.retrain(
        data=photos,
        backbone="embedded",
        run=tmp_path / "run",
        overrides=[
            "augmentation.flip=true",
            # In the last phase nothing of the training photos is kept at the cut.
            'phases=[{name="head", epochs=1}, {name="top", freeze={last=1}, epochs=1}]',
            "evaluation.false_alarms=0.3",
            "evaluation.resamples=0",
            "evaluation.grad_cam=0",
            "export.parity=false",
            "data.validation=0.4",
            "data.test=0.2",
        ],
        quiet=True,
    )
    assert run.novelty.found
    assert set(run.novelty.left_out) == {"dark", "grey", "light"}
