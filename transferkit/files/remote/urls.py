"""What a URL is, whether it can be read here, and how messages show it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from transferkit.errors import UserError, fault
from transferkit.packages import installed

__all__ = ["check_remote", "failure_text", "is_remote", "without_query"]

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(r"(?:^|[-_&])(?:sig|signature|token|password|secret|credential)s?=", re.IGNORECASE)


def is_remote(reference: str) -> bool:
    """Whether this is a URL of a file system that is not the local one.

    >>> is_remote("s3://bucket/photos"), is_remote("photos"), is_remote("file:///photos")
    (True, False, False)
    """
    found = _URL.match(reference)
    return found is not None and found[1].lower() not in ("file", "local")


def without_query(url: str) -> str:
    """A URL as messages show it: a query may let whoever has it read the file."""
    return url.split("?", 1)[0].split("#", 1)[0]


def check_remote(url: str, place: str = "data") -> None:
    """Refuses what cannot be fetched for want of a package, or must not be written down.

    Args:
        url: of a file or folder.
        place: the recipe's key, for messages.

    Raises:
        UserError: says what to install, or where credentials belong.
    """
    parts = urlsplit(url)
    shown = without_query(url).replace(f":{parts.password}@", ":…@")
    if parts.password or _SECRET.search(parts.query):
        hint = "recipes and logs keep it: put credentials into the configuration of your storage"
        raise UserError(fault(place, shown, "a URL without a secret", hint))
    if not installed("fsspec"):
        hint = "pip install 'transferkit[remote]'"
        raise UserError(fault(place, shown, "fsspec to be installed", hint))
    import fsspec

    try:
        fsspec.get_filesystem_class(parts.scheme.lower())
    except ImportError as error:
        raise UserError(fault(place, shown, "the package of its file system", failure_text(error))) from None
    except ValueError:
        known = "s3, gs, hf, https, memory"
        raise UserError(fault(place, shown, f"a protocol that fsspec knows ({known}, …)")) from None


def failure_text(error: Exception) -> str:
    """What went wrong in one line, without a query that may hold a secret."""
    text = (str(error) or type(error).__name__).splitlines()[0]
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return re.sub(r"\?\S*", "?…", text)[:200]
