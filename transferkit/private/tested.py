"""Which TensorFlow transferkit was tested with: a newer one may have changed what has no public name."""

from __future__ import annotations

import logging

from packaging.version import InvalidVersion, Version

__all__ = ["NEWEST", "untested", "warn_if_untested"]

# `make test-versions` runs the tests with it; raised once they pass with a newer one.
NEWEST = "2.21"

_log = logging.getLogger("transferkit")


def untested(version: str) -> bool:
    """Whether a TensorFlow is of a later release than the newest that was tested; patches are not.

    >>> untested("2.21.3"), untested("2.22.0rc1"), untested("2.16.2")
    (False, True, False)
    """
    try:
        return Version(version).release[:2] > Version(NEWEST).release
    except InvalidVersion:
        return True


def warn_if_untested(version: str) -> None:
    """Says once, in the log, that TensorFlow is newer than what was tested."""
    if untested(version):
        _log.warning(
            "TensorFlow %s is newer than %s, the newest that this transferkit was tested with; where it "
            "fails, install it with: pip install 'tensorflow==%s.*'",
            version,
            NEWEST,
            NEWEST,
        )
