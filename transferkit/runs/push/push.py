"""Puts an export on a hub: ``transferkit push``."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transferkit.errors import UserError, fault
from transferkit.packages import installed
from transferkit.runs.folder.verify import changed_files
from transferkit.runs.prediction.find_export import find_export
from transferkit.runs.push.hub_target import HubTarget, read_target
from transferkit.runs.push.pushed_copy import check_version, files_of, stage
from transferkit.runs.remote.local_copy import local_copy

if TYPE_CHECKING:
    from transferkit.runs.finished.run import Run

__all__ = ["Pushed", "push"]

_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "KAGGLE_KEY", "KAGGLE_API_TOKEN")


@dataclass(frozen=True)
class Pushed:
    """What was pushed, or would be.

    Attributes:
        url: the page of the model.
        files: path and bytes of each file.
        dry_run: nothing was sent.
    """

    url: str
    files: tuple[tuple[str, int], ...]
    dry_run: bool


def push(
    run: Run | str | os.PathLike[str],
    to: str,
    *,
    private: bool = False,
    message: str | None = None,
    license: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Pushes the newest version of an export: its files, a model card with a loader, labels.

    The manifest is checked first. Who pushes is known to the hub's own library: ``hf auth login`` or
    ``HF_TOKEN``, and ``kagglehub.login()`` or ``KAGGLE_USERNAME`` and ``KAGGLE_KEY``.

    Args:
        run: a run or its folder, or an export.
        to: ``"hf://ORG/NAME"`` or ``"kaggle://OWNER/MODEL"``; what is there gets a further commit or version.
        private: a new repository of Hugging Face is seen by its owner alone; Kaggle's new models are anyway.
        message: what the hub's history says of it.
        license: of the model, as Kaggle names licences; on Hugging Face the card states it.
        dry_run: lay everything out, send nothing.

    Raises:
        UserError: there is no such export, it changed since it was written, a package is missing, or the hub
            refuses.
    """
    target = read_target(to)
    place = local_copy(run) if isinstance(run, str | os.PathLike) else run.path
    version = find_export(place)
    check_version(version)
    if (place / "metrics.json").is_file() and (changes := changed_files(place)):
        raise UserError(*(fault(str(place), hint=line) for line in changes))
    if not dry_run and not installed(target.package):
        hint = f"pip install 'transferkit[{target.hub}]'"
        raise UserError(fault("push", to, f"the package {target.package}, which is not installed", hint))
    with tempfile.TemporaryDirectory(prefix="transferkit-push-") as name:
        folder = Path(name)
        stage(version, target, target.handle.split("/")[1], folder)
        files = tuple(files_of(folder))
        if not dry_run:
            _send(
                target, folder, private, message or f"{place.resolve().name}, version {version.name}", license
            )
    return Pushed(target.url, files, dry_run)


def _send(target: HubTarget, folder: Path, private: bool, message: str, license: str | None) -> None:
    try:
        if target.hub == "hf":
            from huggingface_hub import HfApi

            # The variable is read here, not when the library is first imported.
            api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
            api.create_repo(target.handle, repo_type="model", private=private or None, exist_ok=True)
            api.upload_folder(repo_id=target.handle, folder_path=folder, commit_message=message)
        else:
            import kagglehub

            kagglehub.model_upload(target.handle, str(folder), license_name=license, version_notes=message)
    except Exception as error:  # the libraries raise what the network and the hub bring about
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = _without_secrets(f"{type(error).__name__}: {' '.join(lines)[:400]}")
        hint = f"{said}; is the name right, and may your token write there?"
        raise UserError(fault("push", f"{target.hub}://{target.handle}", None, hint)) from None


def _without_secrets(text: str) -> str:
    secrets = [os.environ.get(name) for name in _SECRETS]
    if "huggingface_hub" in sys.modules:
        from huggingface_hub import get_token

        secrets.append(get_token())  # of a login
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
