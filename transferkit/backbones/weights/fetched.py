"""Models by their handles at Hugging Face and Kaggle: in the cache of the site's library, or fetched.

``hf://ORG/REPO[@REVISION][/FILE]`` goes through huggingface_hub, and through kagglehub goes
``kaggle://OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]``. What comes is a ``.keras`` file, a SavedModel or a
preset of KerasHub, and is opened as such.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault

__all__ = ["SITES", "fetch", "kaggle_folder", "opened_as"]

# What a handle may begin with: the package that fetches, and the extra that installs it.
SITES = {"hf": ("huggingface_hub", "hf"), "kaggle": ("kagglehub", "kaggle")}
# What a model may consist of; a repository can hold the same weights for other libraries too.
_PARTS = [
    "*.keras",
    "*saved_model.pb",
    "*fingerprint.pb",
    "*variables/*",
    "*assets/*",
    "*.json",
    "*.weights.h5",
]
_KAGGLE_FORM = "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION, or with /VERSION"


def fetch(scheme: str, rest: str, reference: str) -> Path:
    """Fetches a model, or finds it in its cache; gives its file or folder.

    Args:
        scheme: ``"hf"`` or ``"kaggle"``.
        rest: what follows the colon.
        reference: what the user wrote.

    Raises:
        UserError: the handle is none, the package that fetches is missing, or the model is unavailable; says
            where it would lie, and which variable names that place.
    """
    return (_from_hugging_face if scheme == "hf" else _from_kaggle)(rest.strip("/"), reference)


def opened_as(place: Path, scheme: str, reference: str) -> tuple[str, str]:
    """The kind of model at a place, as a scheme and a path: ``keras_file``, ``saved_model`` or ``keras_hub``.

    A SavedModel from Kaggle takes pixels by the convention of TensorFlow Hub, whose modules moved there.

    Args:
        place: file or folder, in the site's cache.
        scheme: of the handle: ``hf`` or ``kaggle``.
        reference: what the user wrote, for messages.

    Raises:
        UserError: there is none, or there are several.
    """
    saved = "hub" if scheme == "kaggle" else "saved_model"
    if place.is_file():
        return "keras_file", str(place)
    if (place / "saved_model.pb").is_file():
        return saved, str(place)
    if (place / "config.json").is_file() and any(place.glob("model.weights.*")):
        return "keras_hub", str(place)
    files = sorted(place.rglob("*.keras"))
    folders = sorted(one.parent for one in place.rglob("saved_model.pb"))
    if len(files) + len(folders) == 1:
        return ("keras_file", str(files[0])) if files else (saved, str(folders[0]))
    expected = "a .keras file, a SavedModel, or a preset of KerasHub"
    names = [one.relative_to(place).as_posix() for one in (*files, *folders)]
    if names and scheme == "hf":
        hint = f"it holds {', '.join(names[:5])}: name one, {reference}/{names[0]}"
    elif names:
        hint = f"it holds {', '.join(names[:5])}: name one by its path, keras_file:{place / names[0]}"
    else:
        there = sorted(one.name for one in place.iterdir())[:5]
        hint = f"{place} holds {', '.join(there) or 'nothing'}"
        if scheme == "hf":
            hint += f"; weights of Transformers are read by KerasHub: keras_hub:{reference}"
    raise UserError(fault("backbone", reference, expected, hint))


def kaggle_folder(handle: str) -> Path:
    """Where kagglehub keeps a model: below the folder that KAGGLEHUB_CACHE names, or ``~/.cache/kagglehub``.

    Args:
        handle: ``OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION]``, with or without ``kaggle://``.
    """
    cache = Path(os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")
    return cache / "models" / handle.removeprefix("kaggle:").strip("/")


def _from_hugging_face(text: str, reference: str) -> Path:
    parts = text.split("/")
    repository, _, revision = (parts[1] if len(parts) > 1 else "").partition("@")
    if not parts[0] or not repository:
        raise UserError(fault("backbone", reference, "hf://ORG/REPO, or with @REVISION and /FILE"))
    hub = _package("hf", reference)
    name, file = f"{parts[0]}/{repository}", "/".join(parts[2:])
    # As they are set now, not as they were when the library was imported.
    cache = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface") / "hub"
    )
    more: dict[str, Any] = {"revision": revision or None, "cache_dir": cache}
    more["endpoint"] = os.environ.get("HF_ENDPOINT") or None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            folder = Path(hub.snapshot_download(name, allow_patterns=[file] if file else _PARTS, **more))
        if file and not (folder / file).is_file():
            raise FileNotFoundError(f"{name} has no file {file}")
        return folder / file if file else folder
    except Exception as error:
        place = cache / f"models--{parts[0]}--{repository}"
        expected = f"{file or 'a model'} at huggingface.co/{name}, or in the cache"
        hint = (
            f"Hugging Face says: {_first(error)}. It is not at {place} (HF_HUB_CACHE names the cache, "
            "HF_TOKEN opens what is private); or fetch it where there is a network and name the file: "
            "keras_file:PATH"
        )
        raise UserError(fault("backbone", reference, expected, hint)) from error


def _from_kaggle(text: str, reference: str) -> Path:
    parts = text.split("/")
    if len(parts) not in (4, 5) or not all(parts) or (len(parts) == 5 and not parts[4].isdecimal()):
        hint = "addresses at tfhub.dev moved to kaggle.com/models, which shows the handle"
        raise UserError(fault("backbone", reference, _KAGGLE_FORM, hint))
    if (found := _kept(text)) is not None and len(parts) == 5:
        return found
    hub = _package("kaggle", reference)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return Path(hub.model_download(text))
    except Exception as error:
        if found is not None:
            return found
        hint = (
            f"Kaggle says: {_first(error)}. It is not at {kaggle_folder(text)} (KAGGLEHUB_CACHE names the "
            "cache, KAGGLE_API_TOKEN opens what asks for consent); or fetch it where there is a network, "
            "unpack it and name the folder: hub:PATH"
        )
        raise UserError(fault("backbone", reference, "a model at Kaggle, or in the cache", hint)) from error


def _kept(text: str) -> Path | None:
    """A model in kagglehub's cache that is there to its end; of one without a version the newest that is."""
    folder = kaggle_folder(text)
    if folder.name.isdecimal():
        return folder if folder.is_dir() and (folder.parent / f"{folder.name}.complete").exists() else None
    versions = [one for one in folder.glob("*") if one.name.isdecimal() and one.is_dir()]
    whole = [one for one in versions if (folder / f"{one.name}.complete").exists()]
    return max(whole, key=lambda one: int(one.name), default=None)


def _package(scheme: str, reference: str) -> Any:
    name, extra = SITES[scheme]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"pip install 'transferkit[{extra}]'"
        raise UserError(fault("backbone", reference, f"the package {name} ({error})", hint)) from error


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")
