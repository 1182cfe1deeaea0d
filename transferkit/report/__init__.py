"""What people open: a run's ``report.html`` and an export's model card.

The caller gathers what is known into :class:`ReportFacts`; every part may be missing.
"""

from transferkit.report.advice import next_step
from transferkit.report.facts import (
    ChangeFacts,
    ChangeRow,
    ChoiceFacts,
    DataFacts,
    ExportFacts,
    HeadFacts,
    HeadRow,
    ParityRow,
    Phase,
    PlanFacts,
    PlanRow,
    ReportFacts,
    StageTime,
    StepRow,
)
from transferkit.report.model_card import CardText, write_model_card
from transferkit.report.page import render_report, write_report
from transferkit.report.verdict import Verdict, doubtful_classes, names_of, verdict, worst_mistakes

__all__ = [
    "CardText",
    "ChangeFacts",
    "ChangeRow",
    "ChoiceFacts",
    "DataFacts",
    "ExportFacts",
    "HeadFacts",
    "HeadRow",
    "ParityRow",
    "Phase",
    "PlanFacts",
    "PlanRow",
    "ReportFacts",
    "StageTime",
    "StepRow",
    "Verdict",
    "doubtful_classes",
    "names_of",
    "next_step",
    "render_report",
    "verdict",
    "worst_mistakes",
    "write_model_card",
    "write_report",
]
