"""``tf.compat.v1.estimator``: all of :mod:`transferkit.estimator`, with the pre-made Estimators of version 1.

Their losses are sums over a batch, and named optimizers are those of ``tf.compat.v1.train``. Metrics are
those of version 2: ``auc_precision_recall`` is interpolated as there, and may differ by
a few thousandths on small data.
"""

from typing import Any as _Any

import transferkit.estimator as _ours
from transferkit.estimator.premade.first_version import PREMADE as _PREMADE

__all__ = sorted(_ours.__all__)


def __getattr__(name: str) -> _Any:
    """A pre-made Estimator of version 1, else what both versions have."""
    return _PREMADE[name] if name in _PREMADE else getattr(_ours, name)
