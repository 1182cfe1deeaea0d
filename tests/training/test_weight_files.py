"""Weights on disk: what was written comes back, and what does not fit is refused before anything moves."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.training.weight_files import read_weights, write_weights


class Variable:
    def __init__(self, path, value):
        self.path = self.name = path
        self.value = np.asarray(value, np.float32)

    @property
    def shape(self):
        return self.value.shape

    def __array__(self, dtype=None, copy=None):
        return self.value

    def assign(self, value):
        self.value = value


def test_values_come_back_in_order_whatever_the_names(tmp_path):
    write_weights(tmp_path / "w.npz", [Variable("conv2d/kernel", [1, 2]), Variable("conv2d/kernel", [[3]])])
    others = [Variable("conv2d_7/kernel", [0, 0]), Variable("conv2d_8/kernel", [[0]])]
    read_weights(tmp_path / "w.npz", others)
    assert others[0].value.tolist() == [1, 2]
    assert others[1].value.tolist() == [[3]]
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


@pytest.mark.parametrize("shapes", [[(2,), (3,)], [(2,)], [(2,), (1, 1), (4,)]])
def test_weights_of_another_network_are_refused_and_nothing_is_assigned(tmp_path, shapes):
    write_weights(tmp_path / "w.npz", [Variable("a", [1, 2]), Variable("b", [[3]])])
    others = [Variable(f"v{index}", np.zeros(shape)) for index, shape in enumerate(shapes)]
    with pytest.raises(UserError, match=r"w\.npz"):
        read_weights(tmp_path / "w.npz", others)
    assert not any(variable.value.any() for variable in others)


def test_a_damaged_file_is_a_users_fault(tmp_path):
    write_weights(tmp_path / "w.npz", [Variable("a", np.arange(100))])
    whole = (tmp_path / "w.npz").read_bytes()
    for kept in (0, 10, len(whole) // 2):
        (tmp_path / "w.npz").write_bytes(whole[:kept])
        with pytest.raises(UserError, match="cannot be read"):
            read_weights(tmp_path / "w.npz", [Variable("a", np.zeros(100))])
