"""Where the files of a manifest are: below its folder or a root, or fetched from URLs."""

from __future__ import annotations

from pathlib import Path

from transferkit.data.source_options import ManifestOptions
from transferkit.data.sources.manifest.find_files import Places, find_files
from transferkit.data.sources.manifest.line_names import name_of
from transferkit.errors import UserError, fault
from transferkit.files.remote import check_remote, fetch_urls, is_remote, without_query

__all__ = ["find_places"]


def find_places(
    paths: list[str], manifest: Path, options: ManifestOptions, unpack_to: Path | None, base: str | None
) -> Places:
    """The file of each path, fetched where it is a URL.

    Args:
        paths: as the manifest has them.
        manifest: its file.
        options: what it does not say itself: a root, an ending.
        unpack_to: folder where files at URLs are fetched to; None refuses them.
        base: the URL that relative paths start from where the manifest lies at one.

    Raises:
        UserError: files are at URLs and there is no folder for them, or none is found.
    """
    if options.root is not None and is_remote(options.root):
        check_remote(options.root, "data.root")
        base = options.root.rstrip("/")
    urls = [
        one if is_remote(one) else f"{base}/{one.lstrip('/')}{options.path_suffix or ''}" if base else None
        for one in paths
    ]
    remote = [url for url in urls if url is not None]
    if not remote:
        return _local_places(paths, manifest, options)
    if unpack_to is None:
        raise UserError(
            fault(f"{name_of(manifest)}: path", without_query(remote[0]), "a file", "download it first")
        )
    here, fetched = fetch_urls(remote, unpack_to)
    others = iter(
        _local_places(
            [one for one, url in zip(paths, urls, strict=True) if url is None], manifest, options
        ).files
    )
    files = [here[url] if url is not None else next(others) for url in urls]
    missing = [i for i, file in enumerate(files) if not file.is_file()]
    return Places(files, missing, list(fetched.notes(name_of(manifest))))


def _local_places(paths: list[str], manifest: Path, options: ManifestOptions) -> Places:
    if not paths:
        return Places([], [], [])

    def found(root: str | None, suffix: str | None) -> Places:
        return find_files(paths, manifest.parent, name_of(manifest), root, suffix)

    if options.own or (options.root is None and options.path_suffix is None):
        return found(options.root, options.path_suffix)
    as_said = found(
        options.root if options.root and Path(options.root).is_dir() else None, options.path_suffix
    )
    if not as_said.missing:
        return as_said
    without = found(None, None)
    return without if len(without.missing) < len(as_said.missing) else as_said
