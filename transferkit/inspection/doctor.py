"""What this machine offers, and what a run on it would use. It never ends in a traceback: what cannot be
examined is one more finding.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from transferkit._version import __version__
from transferkit.cpu import available_cores
from transferkit.errors import UserError, one_line
from transferkit.inspection.doctor_finding import Finding
from transferkit.inspection.doctor_folders import gib, look_at_folders
from transferkit.packages import extras
from transferkit.recipe import Recipe
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.type_names import NamedValues

__all__ = ["Examination", "examine"]

# Free bytes below which a run may end early.
_LITTLE_MEMORY = 2 * 1024**3


@dataclass(frozen=True)
class Examination:
    """All that was found, in the order in which people read it."""

    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What keeps every run from working."""
        return tuple(one for one in self.findings if one.level == "fault")

    @property
    def value_column(self) -> int:
        """Where the values of :meth:`lines` begin: what does not fit a terminal goes on below there."""
        return max((len(one.name) for one in self.findings), default=0) + 4

    def to_dict(self) -> NamedValues:
        """JSON values: the sections with their findings, and whether a run works here."""
        sections: dict[str, list[NamedValues]] = {}
        for one in self.findings:
            values = {key: value for key, value in asdict(one).items() if key != "section"}
            sections.setdefault(one.section, []).append(values)
        return {"works": not self.faults, "sections": sections}

    def lines(self) -> list[str]:
        """For a terminal: a heading a section, a line a finding, and its hint below."""
        wide = self.value_column - 4
        shown: list[str] = []
        section = None
        for one in self.findings:
            if one.section != section:
                section = one.section
                shown.append(section)
            mark = {"ok": " ", "note": "!", "fault": "x"}[one.level]
            shown.append(one_line(f"{mark} {one.name.ljust(wide)}  {one.value}"))
            if one.hint:
                shown.append(one_line(f"  {' ' * wide}  -> {one.hint}"))
        return shown


def examine(probe: bool = True) -> Examination:
    """Looks at the machine, TensorFlow, engines and folders, and measures for some ten seconds.

    Args:
        probe: measure decoding, the frozen pass and a training step.

    Returns:
        What was found; nothing is raised.
    """
    with contextlib.suppress(Exception):
        start_tensorflow()  # first of all: others would start it with all that it says
    sections: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("machine", _machine),
        ("tensorflow", _tensorflow),
        ("gpu", _gpu),
        ("packages", _packages),
        ("folders", look_at_folders),
        ("a run here", _run),
    ]
    if probe:
        from transferkit.inspection.doctor_probe import measure

        sections.append(("speed", measure))
    return Examination(tuple(one for name, look in sections for one in _guarded(name, look)))


def _guarded(section: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        yield Finding(section, "could not be examined", f"{type(error).__name__}: {text}"[:300], "note")


def _machine() -> Iterator[Finding]:
    yield Finding(
        "machine", "transferkit", f"{__version__}, Python {platform.python_version()}, {platform.platform()}"
    )
    cores, of = available_cores(), os.cpu_count() or 1
    yield Finding(
        "machine", "cores", f"{cores}" + (f" of {of}: this process may use no more" if cores < of else "")
    )
    total, free = _memory()
    if total:
        low = free is not None and free < _LITTLE_MEMORY
        hint = "close other programs, or set batch_size and data.max_pixels lower" if low else None
        shown = f"{gib(total)} in all" + (f", {gib(free)} free" if free is not None else "")
        yield Finding("machine", "memory", shown, "note" if low else "ok", hint)
    if Path("/dev/shm").is_dir():
        yield Finding("machine", "/dev/shm", f"{gib(shutil.disk_usage('/dev/shm').total)}")
    if sys.platform != "win32":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = soft != resource.RLIM_INFINITY and soft < 256
        hint = "raise it: ulimit -n 4096" if few else None
        yield Finding(
            "machine",
            "open files",
            "no limit" if soft < 0 else f"at most {soft}",
            "note" if few else "ok",
            hint,
        )


def _memory() -> tuple[int, int | None]:
    """Bytes in all and free, by the system and by the limit that a container sets; 0 where unknown."""
    found: dict[str, int] = {}
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            name, _, value = line.partition(":")
            found[name] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        names = getattr(os, "sysconf_names", {})
        if "SC_PHYS_PAGES" not in names:
            return 0, None
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    total, free = found.get("MemTotal", 0), found.get("MemAvailable")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most = int(Path("/sys/fs/cgroup", limit).read_text("ascii"))
            left = most - int(Path("/sys/fs/cgroup", used).read_text("ascii"))
        except (OSError, ValueError):
            continue
        if most < total:
            total, free = most, min(left, free if free is not None else left)
    return total, free


def _tensorflow() -> Iterator[Finding]:
    try:
        start_tensorflow()
        import tensorflow as tf
    except Exception as error:
        if isinstance(error, UserError):  # of the environment; it says what to do
            yield Finding("tensorflow", "import", error.faults[0], "fault")
            return
        text = (str(error).strip().splitlines() or [""])[0]
        hint = "pip install tensorflow"
        yield Finding("tensorflow", "import", f"{type(error).__name__}: {text}", "fault", hint)
        return
    yield Finding("tensorflow", "version", f"{tf.__version__}, Keras {metadata.version('keras')}")
    build = tf.sysconfig.get_build_info()
    if build.get("is_cuda_build"):
        wanted = ", ".join(build.get("cuda_compute_capabilities", ()))
        shown = f"CUDA {build.get('cuda_version', '?')}, cuDNN {build.get('cudnn_version', '?')}; {wanted}"
        yield Finding("tensorflow", "built for", shown)
    else:
        yield Finding("tensorflow", "built for", "CPUs")
    for kind in ("GPU", "TPU"):
        for device in tf.config.list_physical_devices(kind):
            details = tf.config.experimental.get_device_details(device)
            capability = details.get("compute_capability")
            shown = str(details.get("device_name", device.name))
            shown += f", compute capability {'.'.join(map(str, capability))}" if capability else ""
            yield Finding("tensorflow", device.name.rpartition("physical_device:")[2], shown)


def _gpu() -> Iterator[Finding]:
    from transferkit.inspection import doctor_gpu

    if trouble := doctor_gpu.does_not_answer():
        hint = "runs compute on the CPU until it answers: load the driver again, or restart the machine"
        yield Finding("gpu", "NVIDIA driver", trouble, "note", hint)
        return
    version, found = doctor_gpu.driver_version(), doctor_gpu.cards()
    if version is None and not found:
        yield Finding("gpu", "NVIDIA driver", "none: runs compute on the CPU")
        return
    yield Finding("gpu", "NVIDIA driver", version or "unknown")
    for card in found:
        yield Finding("gpu", "card", card)
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    unsuited = doctor_gpu.unsuited(build, version, found)
    for line in unsuited:
        hint = "a newer driver" if line.startswith("the driver") else "this TensorFlow leaves the card out"
        yield Finding("gpu", "too old", line, "note", hint)
    if tf.config.list_physical_devices("GPU"):
        return
    hint = "pip install 'tensorflow[and-cuda]'"
    missing = doctor_gpu.missing_libraries(build)
    if missing:
        yield Finding("gpu", "libraries", f"missing: {', '.join(missing)}", "note", hint)
    elif not unsuited:
        shown = "TensorFlow sees no GPU though a driver is there"
        hint = "look at CUDA_VISIBLE_DEVICES, and whether this user may open /dev/nvidia*"
        yield Finding("gpu", "devices", shown, "note", hint)


def _packages() -> Iterator[Finding]:
    from transferkit.activations.engines.openvino_engine import openvino_version

    version = openvino_version()
    if version:
        yield Finding("packages", "openvino", version)
    else:
        shown = "missing: TensorFlow runs the frozen part, on CPUs about twice as slowly"
        yield Finding("packages", "openvino", shown, "note", "pip install openvino")
    for extra, lacking in extras().items():
        shown = f"not installed: {', '.join(lacking)} (pip install 'transferkit[{extra}]')"
        yield Finding("packages", f"[{extra}]", shown if lacking else "installed")


def _run() -> Iterator[Finding]:
    from transferkit.recipe import load
    from transferkit.recipe.default_backbone import STAND_IN, missing_package

    recipe = load()
    package = missing_package(recipe)
    name = STAND_IN if package else recipe.backbone.name
    hint = f"pip install {package}" if package else None
    yield Finding("a run here", "backbone", f"{name} (without --backbone)", "note" if package else "ok", hint)
    yield _devices(recipe)
    try:
        from transferkit.activations.engines.choose_engine import available

        yield Finding(
            "a run here", "engines", ", ".join(available()) + ": the fastest one that agrees is taken"
        )
    except UserError as error:
        yield Finding("a run here", "engines", error.faults[0], "fault")


def _devices(recipe: Recipe) -> Finding:
    """What ``--devices auto`` takes, or why it is refused."""
    from transferkit.devices import automatic
    from transferkit.runs.checks.check_cluster import check_cluster

    try:
        check_cluster(recipe)
    except UserError as error:
        return Finding("a run here", "computes on", error.faults[0], "fault")
    return Finding("a run here", "computes on", ": ".join(automatic()))
