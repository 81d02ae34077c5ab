"""`Settings`: the full description of a study."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from paceline.core import Objective
from paceline.core.events import Json
from paceline.settings.data import DataSettings
from paceline.settings.earlier import is_earlier, upgraded, upgraded_changes
from paceline.settings.evaluation import EvaluationSettings
from paceline.settings.execution import ExecutionSettings
from paceline.settings.function import NETWORKS, FunctionSettings, Kind
from paceline.settings.rules import Change, Group, Rule, brief
from paceline.settings.search_settings import SearchSettings
from paceline.settings.training import TrainingSettings

GROUPS: Mapping[str, type[Group]] = {
    "function": FunctionSettings,
    "data": DataSettings,
    "search": SearchSettings,
    "training": TrainingSettings,
    "evaluation": EvaluationSettings,
    "execution": ExecutionSettings,
}
"""The groups of settings, by their names in `Settings`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that differs between two descriptions.

    Attributes:
        name: dotted, such as ``"training.patience"``.
        before, after: its two values.
    """

    name: str
    before: Any
    after: Any

    @property
    def rule(self) -> Rule:
        """The rule of the setting."""
        group, _, field = self.name.partition(".")
        return GROUPS[group].rules()[field]

    @property
    def argument(self) -> str:
        """The name of the argument."""
        return self.rule.argument or self.name.partition(".")[2]

    def __str__(self) -> str:
        return f"{self.argument} {brief(self.after)} (before: {brief(self.before)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The description of a study: all that was asked for, checked, without objects in memory.

    A study stores it, `paceline.resume` reads it, and the report shows it::

        study.settings                       # prints what differs from the defaults
        study.settings.training.patience
        study.settings.diff(other.settings)

    Attributes:
        objective: the metric and its direction; None until it is known.
        function: what is tuned.
        data: which data, and how they are divided.
        search: which configurations are tried, and for how long.
        training: how each network is trained.
        evaluation: how configurations are compared and tested.
        execution: where and with what trials run.
    """

    objective: Objective | None = None
    function: FunctionSettings = field(default_factory=FunctionSettings)
    data: DataSettings = field(default_factory=DataSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)

    def updated(self, given: Mapping[str, Any]) -> "Settings":
        """Returns settings with some values replaced, after checks.

        Args:
            given: values as users pass them, by the name of the setting (without its group).

        Raises:
            InvalidInput: a value that is not valid.
        """
        groups = {name: getattr(self, name).updated(given) for name in GROUPS}
        return replace(self, **groups)

    def with_values(self, **values: Mapping[str, Any]) -> "Settings":
        """Returns settings with checked values, by group: ``search={"seed": 3}``."""
        groups = {name: replace(getattr(self, name), **given) for name, given in values.items()}
        return replace(self, **groups)

    def to_json(self) -> dict[str, Json]:
        """The settings as plain JSON types, by group; the objective is stored separately."""
        return {name: getattr(self, name).to_json() for name in GROUPS}

    @classmethod
    def from_json(cls, state: Mapping[str, Json], objective: Objective | None = None) -> "Settings":
        """The inverse of `to_json`."""
        groups: dict[str, Any] = {
            name: group.from_json(state.get(name) or {}) for name, group in GROUPS.items()
        }
        return cls(objective=objective, **groups)

    def diff(self, other: "Settings") -> list[Difference]:
        """The settings in which ``other`` differs from this one, in order of their names."""
        return [
            Difference(f"{name}.{field}", before, after)
            for name, group in GROUPS.items()
            for field, rule in group.rules().items()
            for before, after in [(getattr(getattr(one, name), field) for one in (self, other))]
            if not rule.same(before, after)
        ]

    def non_default(self) -> Iterator[tuple[str, str, Any]]:
        """The options that differ from the defaults of this kind of study: group, name, value."""
        default = default_settings(self.function.kind)
        for group in GROUPS:
            for name, value in getattr(self, group).non_default(getattr(default, group)):
                yield group, name, value

    def __str__(self) -> str:
        goal = self.objective
        lines = [] if goal is None else [("objective", f"{goal.metric} ({goal.direction})")]
        for group, settings in GROUPS.items():
            rules = settings.rules()
            own = [
                f"{rules[name].argument or name}={brief(value)}"
                for of, name, value in self.non_default()
                if of == group
            ]
            lines.append((group, ", ".join(own) or "defaults"))
        return "\n".join(f"{name:<12}{text}" for name, text in lines)


def default_settings(kind: Kind) -> Settings:
    """The default settings of a study of this kind.

    A function has no final unless one is asked for, since only its user knows the cost of a call,
    and no number of steps unless it is given.
    """
    settings = Settings().with_values(function={"kind": kind})
    if kind == NETWORKS:
        return settings
    return settings.with_values(
        training={"epochs": None, "batch_size": None},
        evaluation={"final": "off", "validation": None},
    )


def stored(settings: Mapping[str, Json], kind: str | None) -> Mapping[str, Json]:
    """Settings as stored in a study's first event, upgraded to the current form.

    Args:
        settings: those of the event.
        kind: that of the study in the event's data; None for networks.
    """
    return upgraded(settings, kind or NETWORKS) if is_earlier(settings) else settings


def with_changes(settings: Mapping[str, Json], changed: Mapping[str, Json]) -> dict[str, Json]:
    """Stored settings with some new values, given by dotted names."""
    merged = {group: dict(values) for group, values in settings.items()}
    for name, value in upgraded_changes(changed).items():
        group, _, field = name.partition(".")
        merged.setdefault(group, {})[field] = value
    return merged


def changed_values(differences: list[Difference], now: Settings) -> dict[str, Json]:
    """Differences as stored: new values by dotted names."""
    state = now.to_json()
    found = {}
    for one in differences:
        group, _, field = one.name.partition(".")
        found[one.name] = state[group][field]
    plain: dict[str, Json] = json.loads(json.dumps(found))
    return plain


def noted(differences: list[Difference]) -> Iterator[str]:
    """A sentence about differences that the user should know, if there are any."""
    changed = {one.argument: str(one) for one in differences if one.rule.change is Change.NOTED}
    if changed:
        yield f"The study continues with other settings: {', '.join(changed.values())}."
