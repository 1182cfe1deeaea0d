"""What transferkit reads of KerasHub by names that are not public.

Each function says why there is no public way, and since which KerasHub it is there. KerasHub is optional: it
is imported when one of them is called.
"""

from __future__ import annotations

from typing import Any

__all__ = ["in_keras_format", "preset_file", "preset_has_file", "preset_loader"]


def preset_loader(preset: str) -> Any:
    """What reads a preset: ``config``, and ``check_backbone_class()`` for its class; since 0.18.

    The public ``Backbone.from_preset`` builds the whole network and loads all its weights before one can ask
    what they are: of networks for images and texts the larger part is not needed.
    """
    from keras_hub.src.utils.preset_utils import get_preset_loader

    return get_preset_loader(preset)


def in_keras_format(loader: Any) -> bool:
    """Whether a loader's weights are of KerasHub's own format, and not another library's; since 0.18.

    The format is not said publicly; weights of others are converted as a whole.
    """
    from keras_hub.src.utils.preset_utils import KerasPresetLoader

    return isinstance(loader, KerasPresetLoader)


def preset_has_file(preset: str, name: str) -> bool:
    """Whether a preset has a file, wherever it lies; since 0.18.

    Publicly a preset is loaded as a whole: its files have no public address.
    """
    from keras_hub.src.utils.preset_utils import check_file_exists

    return bool(check_file_exists(preset, name))


def preset_file(preset: str, name: str) -> str:
    """The path of a preset's file on this machine, fetched where it is not here; since 0.18.

    As of :func:`preset_has_file`.
    """
    from keras_hub.src.utils.preset_utils import get_file

    return str(get_file(preset, name))
