"""What a URL is, whether it can be read here, and how messages show it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from transferkit.errors import UserError, fault
from transferkit.packages import installed

__all__ = ["check_remote", "failure_text", "is_remote", "without_query"]

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(
    r"(?:^|[-_&])(?:sig|signature|token|password|passwd|pwd|secret|credential|auth|jwt|(?:api|access)[-_]?key)s?=",
    re.IGNORECASE,
)
_USER = re.compile(r"(?<=://)([^/?#@]*)@")


def is_remote(reference: str) -> bool:
    """Whether this is a URL of a file system that is not the local one.

    >>> is_remote("s3://bucket/photos"), is_remote("photos"), is_remote("file:///photos")
    (True, False, False)
    """
    found = _URL.match(reference)
    return found is not None and found[1].lower() not in ("file", "local")


def without_query(url: str) -> str:
    """A URL as messages show it: a query, a password or a token may let whoever has it read the file.

    >>> without_query("https://me:word@host/a.csv?sig=1"), without_query("sftp://me@host/a.csv")
    ('https://…@host/a.csv', 'sftp://me@host/a.csv')
    """
    plain = url.split("?", 1)[0].split("#", 1)[0]
    return _USER.sub("…@", plain) if _has_secret_user(plain) else plain


def _has_secret_user(url: str) -> bool:
    """Whether what stands before the host is more than a name: a password, or a token of a web site."""
    found = _USER.search(url)
    return found is not None and (":" in found[1] or url.lower().startswith(("http:", "https:")))


def check_remote(url: str, place: str = "data") -> None:
    """Refuses what cannot be fetched for want of a package, or must not be written down.

    Args:
        url: of a file or folder.
        place: the recipe's key, for messages.

    Raises:
        UserError: says what to install, or where credentials belong.
    """
    shown = without_query(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(fault(place, shown, "a URL", str(error))) from None
    if _has_secret_user(url) or _SECRET.search(parts.query) or _SECRET.search(parts.fragment):
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
