"""Manifests: a CSV, JSON Lines or JSON file that lists the images.

Columns (keys in JSON): ``path``, relative to the manifest's folder; ``label``, or ``labels`` where an image
may have any number of them; optionally ``split`` (train, val, test) and ``group``. In CSV, ``labels`` are
divided by ``|``, or stand as a JSON list where a class name holds that sign. What is written otherwise is
read where it leaves no doubt, with a note, or refused in a line that says how to name it.
"""

from transferkit.data.sources.manifest.read import ManifestOptions, read_manifest

__all__ = ["ManifestOptions", "read_manifest"]
