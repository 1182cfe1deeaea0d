"""What decides an image's split: its content, or the name of the group that must not be divided."""

from __future__ import annotations

from collections.abc import Sequence

from transferkit.data.source import DataSet

__all__ = ["split_keys"]


def split_keys(dataset: DataSet, hashes: Sequence[str | None]) -> dict[str, str]:
    """Content hash to what its split is drawn from.

    Without groups that is the hash itself. An image of a group follows the group's name, so the group may
    grow without moving. An image that lies in two groups ties them together: it can be on one side only, and
    so can they; an equal image without a group goes with it.

    Args:
        dataset: the images.
        hashes: content hash of each item, None for unreadable ones.
    """
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    group_of: dict[str, str] = {}
    for item, sha256 in zip(dataset.items, hashes, strict=True):
        if item.group is not None and sha256 is not None:
            one, other = sorted((lead(item.group), lead(group_of.setdefault(sha256, item.group))))
            leader[other] = one
    return {
        sha256: f"group:{lead(group_of[sha256])}" if sha256 in group_of else sha256
        for sha256 in hashes
        if sha256 is not None
    }
