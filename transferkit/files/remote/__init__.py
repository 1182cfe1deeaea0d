"""Files at a URL, fetched into the cache once: so that all that follows sees files alone.

Any file system that fsspec knows serves: ``s3://``, ``gs://``, ``hf://``, ``https://``, ``memory://`` and so
on. Who may read is said by the user's own configuration of it; a URL with a password in it is refused, since
it would be written into the run.
"""

from __future__ import annotations

from transferkit.files.remote.mirror import Fetched, fetch_folder, fetch_urls
from transferkit.files.remote.urls import check_remote, is_remote, without_query

__all__ = ["Fetched", "check_remote", "fetch_folder", "fetch_urls", "is_remote", "without_query"]
