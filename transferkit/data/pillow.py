"""What Pillow's errors say, in one line."""

from __future__ import annotations

__all__ = ["pillow_reason"]


def pillow_reason(error: Exception) -> str:
    """Why Pillow could not read an image.

    Its plugins raise whatever their formats bring about: struct.error, SyntaxError, MemoryError and others,
    whose names say more than their texts. An OSError is the ordinary one, and its text is enough.
    """
    from PIL import UnidentifiedImageError  # only where Pillow is in use already

    if isinstance(error, UnidentifiedImageError):
        return "no image format that is known"
    text = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return (text.splitlines() or [type(error).__name__])[0][:200]
