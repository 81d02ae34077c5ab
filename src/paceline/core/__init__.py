"""Records that every room uses: trials, objectives, budgets, events and errors.

Imports nothing else of Paceline.
"""

from paceline.core.ablation_scores import Ablation, Side
from paceline.core.budget import Budget, parse_bytes, parse_seconds
from paceline.core.commands import command_line
from paceline.core.decision import Action, Decision
from paceline.core.errors import (
    AllTrialsFailed,
    InvalidInput,
    MissingData,
    PacelineError,
    StudyInterrupted,
    StudyLocked,
    StudyMismatch,
    StudyWarning,
    UnreadableStudy,
    last_line,
    shown,
)
from paceline.core.final_scores import Final, Splits
from paceline.core.names import (
    check_argument,
    closest,
    did_you_mean,
    known_name,
    validates_argument_names,
)
from paceline.core.objective import DIRECTIONS, Objective
from paceline.core.registry import Registry, reading_state, subclass_of
from paceline.core.trial import Configuration, Measurement, Trial, TrialState, Value

__all__ = [
    "DIRECTIONS",
    "Ablation",
    "Action",
    "AllTrialsFailed",
    "Budget",
    "Configuration",
    "Decision",
    "Final",
    "InvalidInput",
    "Measurement",
    "MissingData",
    "Objective",
    "PacelineError",
    "Registry",
    "Side",
    "Splits",
    "StudyInterrupted",
    "StudyLocked",
    "StudyMismatch",
    "StudyWarning",
    "Trial",
    "TrialState",
    "UnreadableStudy",
    "Value",
    "check_argument",
    "closest",
    "command_line",
    "did_you_mean",
    "known_name",
    "last_line",
    "parse_bytes",
    "parse_seconds",
    "reading_state",
    "shown",
    "subclass_of",
    "validates_argument_names",
]
