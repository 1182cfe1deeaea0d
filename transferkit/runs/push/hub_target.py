"""Where an export is pushed to: ``hf://ORG/NAME`` or ``kaggle://OWNER/MODEL``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from transferkit.errors import UserError, fault
from transferkit.files.remote import without_query

__all__ = ["HubTarget", "read_target"]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_HUGGING_FACE = re.compile(rf"hf://(?P<handle>{_NAME}/{_NAME})/?")
_KAGGLE = re.compile(
    rf"kaggle://(?P<model>{_NAME}/{_NAME})(?:/(?P<framework>[A-Za-z0-9]+)(?:/(?P<variation>{_NAME}))?)?/?"
)
_EXPECTED = "hf://ORG/NAME, or kaggle://OWNER/MODEL optionally followed by /FRAMEWORK/VARIATION"
_PAGES = {"hf": "https://huggingface.co", "kaggle": "https://www.kaggle.com/models"}


@dataclass(frozen=True)
class HubTarget:
    """A place on a hub.

    Attributes:
        hub: ``"hf"`` or ``"kaggle"``.
        handle: as the hub's own library takes it.
    """

    hub: str
    handle: str

    @property
    def package(self) -> str:
        """The library that uploads."""
        return "huggingface_hub" if self.hub == "hf" else "kagglehub"

    @property
    def url(self) -> str:
        """The page that people open."""
        return f"{_PAGES[self.hub]}/{self.handle}"

    @property
    def loader(self) -> str:
        """Python that gives the folder of the files on another machine."""
        if self.hub == "hf":
            return f'huggingface_hub.snapshot_download("{self.handle}")'
        return f'kagglehub.model_download("{self.handle}")'


def read_target(text: str) -> HubTarget:
    """Reads a target.

    >>> read_target("kaggle://me/flowers").handle
    'me/flowers/tensorFlow2/default'

    Raises:
        UserError: it is none.
    """
    if found := _HUGGING_FACE.fullmatch(text):
        return HubTarget("hf", found["handle"])
    if found := _KAGGLE.fullmatch(text):
        framework, variation = found["framework"] or "tensorFlow2", found["variation"] or "default"
        return HubTarget("kaggle", f"{found['model']}/{framework}/{variation}")
    raise UserError(fault("push", without_query(text), _EXPECTED))
