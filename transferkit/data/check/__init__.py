"""Whether the data is sound: what is wrong with which file, found before it costs a training."""

from transferkit.data.check.finding import KINDS, CheckResult, Finding
from transferkit.data.check.full import check_dataset
from transferkit.data.check.header import Header, read_header
from transferkit.data.check.limits import Limits, refusal
from transferkit.data.check.quick import quick_check

__all__ = [
    "KINDS",
    "CheckResult",
    "Finding",
    "Header",
    "Limits",
    "check_dataset",
    "quick_check",
    "read_header",
    "refusal",
]
