"""Whether the data is sound: what is wrong with which file, found before it costs a training."""

from transferkit.data.check.cheap import cheap_check
from transferkit.data.check.finding import KINDS, CheckResult, Finding
from transferkit.data.check.header import Header, read_header
from transferkit.data.check.limits import Limits, refusal
from transferkit.data.check.whole import check_dataset

__all__ = [
    "KINDS",
    "CheckResult",
    "Finding",
    "Header",
    "Limits",
    "cheap_check",
    "check_dataset",
    "read_header",
    "refusal",
]
