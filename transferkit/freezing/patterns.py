"""Freeze rules' patterns, matched in time linear in the length of the name.

Python's ``re`` tries one way after another, and some patterns have more ways than there are seconds:
``(a+)+b`` on thirty letters takes minutes. TensorFlow brings RE2, which walks all ways at once. It knows the
same syntax but for look-around and back-references, which need trying.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferkit.errors import UserError, fault

__all__ = ["matches"]


def matches(pattern: str, names: Sequence[str], place: str) -> np.ndarray:
    """Which names a pattern matches whole, bool ``[N]``.

    Args:
        pattern: a regular expression of RE2's syntax.
        names: of layers.
        place: where the pattern stands, for the error.

    Raises:
        UserError: RE2 refuses the pattern.
    """
    import tensorflow as tf

    try:
        # Whatever graph is being built around this, the answer is needed now.
        with tf.init_scope(), tf.device("CPU"):
            result: np.ndarray = tf.strings.regex_full_match(list(names), pattern).numpy().astype(bool)
            return result
    except tf.errors.InvalidArgumentError as error:
        reason = str(error).partition("error: ")[2].partition(" [Op")[0].strip(" .") or "it is refused"
        hint = f"{reason[:120]}; look-around and back-references are not known, for they may take forever"
        raise UserError(fault(place, pattern, "a regular expression of RE2's syntax", hint)) from None
