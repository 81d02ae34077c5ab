"""Events of a study as records; a study is stored as the list of its events, in order."""

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Annotated, Any

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from paceline.core.decision import Action
from paceline.core.final_scores import Splits
from paceline.core.trial import Configuration, TrialState

FORMAT = 3
"""Version of the stored form, part of each study's first event. It increases when the meaning of
existing events changes; event types and fields may be added without that."""

Json = Any
"""A value that survives a round trip through JSON."""


@dataclass(frozen=True, slots=True)
class StudyCreated:
    """The study was created; contains what must not change when it is resumed.

    Attributes:
        format: version of the stored form.
        objective: metric and direction.
        data: fingerprint and description of the data.
        settings: all other settings.
        id: of this study, 32 hexadecimal digits, wherever its directory is; None in studies of
            earlier versions. Two studies with equal settings differ in it alone.
    """

    format: int
    objective: Mapping[str, str]
    data: Mapping[str, Json]
    settings: Mapping[str, Json]
    id: str | None = field(default=None, compare=False)

    def with_id(self) -> "StudyCreated":
        """The same as the first event of a new study."""
        return replace(self, id=uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Settings were changed: new values by dotted name, such as ``"closing.pairs"``."""

    changed: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A process began to write: the first one, or one that resumed the study."""

    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A process stopped writing."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SpaceChanged:
    """The space as it is now: recorded at the start, and when a build adds a hyperparameter.

    Attributes:
        space: the whole space.
        trial: the trial whose build added to it; None at the start.
    """

    space: Json
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class SpaceReplaced:
    """The user changed the space; earlier trials count if their configurations lie in the new one.

    Attributes:
        space: the whole space.
        trial: the trial whose function asked for other hyperparameters than in earlier sessions;
            None if the change was found before the session's first trial.
    """

    space: Json
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class TrialAsked:
    """The strategy proposed a configuration."""

    number: int
    config: Configuration
    seed: int
    epochs: int
    origin: str


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial began to train, in a program or with ``fit``.

    Attributes:
        number: the trial.
        program: the program's name; ``"fit"`` for a model that trains alone.
        config: the configuration as ``build`` used it.
        prefix_of: the longer trial whose first epochs are this trial's, or None; stored under its
            earlier name, ``shares``.
        parameters: number of trainable parameters; None if unknown.
        worker: the process or machine that trains it; None for the study's own.
    """

    number: int
    program: str
    config: Configuration
    prefix_of: Annotated[
        int | None, Field(validation_alias=AliasChoices("shares", "prefix_of"))
    ] = None
    parameters: int | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class EpochMeasured:
    """A trial trained one more epoch; see `paceline.core.Measurement`."""

    number: int
    epoch: int
    metrics: Mapping[str, float]
    seconds: float
    spread: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialPaused:
    """A trial was paused, by the schedule or because the study was stopped."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrialDecided:
    """The schedule's decision about a trial that has trained ``epoch`` epochs."""

    number: int
    epoch: int
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial reached a final state.

    ``reason`` is a sentence or, for a failed trial, the traceback. If the trial was trained several
    times, on other seeds or folds, ``score`` is the mean of ``scores``. ``seeded`` is False for a
    function that never used ``hp.seed``.
    """

    number: int
    state: TrialState
    score: float | None
    best_epoch: int | None
    reason: str
    scores: tuple[float, ...] = ()
    seeded: bool = True


@dataclass(frozen=True, slots=True)
class TrialTested:
    """The models of a trial's trainings were evaluated on the test set; no decision uses this."""

    number: int
    tests: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class ProgramCompiled:
    """A program was compiled for a number of lanes; ``from_scratch`` counts cache misses."""

    program: str
    num_lanes: int
    seconds: float
    from_scratch: int


ADVICE = "advice"
"""The subject of a `Noted` that advises the user: it is also issued as a warning."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A note for the user, one sentence.

    ``about`` is ``"final"`` if it concerns the final, `ADVICE` if the user should change something.
    """

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class FinalStarted:
    """The final began; see `paceline.core.Final` for the fields."""

    finalists: tuple[int, ...]
    default: int | None
    num_pairs: int
    fresh_splits: bool
    validation_share: float
    splits: str = ""

    @property
    def kind(self) -> Splits:
        """What the pairs differ in; events of earlier versions have ``fresh_splits`` alone."""
        return _kind(self.splits, self.fresh_splits)


@dataclass(frozen=True, slots=True)
class FinalMeasured:
    """A finalist was trained on one pair of a fresh seed and split.

    ``score`` is None if that failed. ``seeded`` is False for a function that never used
    ``hp.seed``.
    """

    number: int
    pair: int
    score: float | None
    epoch: int | None
    metrics: Mapping[str, float]
    seconds: float
    seeded: bool = True


@dataclass(frozen=True, slots=True)
class FinalEnded:
    """The final ended with a winner."""

    winner: int
    reason: str


@dataclass(frozen=True, slots=True)
class AblationStarted:
    """An ablation began; see `paceline.core.Ablation` for the fields."""

    default: int
    winner: int
    num_pairs: int
    fresh_splits: bool
    validation_share: float
    changes: Mapping[str, tuple[str, ...]]
    splits: str = ""

    @property
    def kind(self) -> Splits:
        """What the pairs differ in; see `FinalStarted.kind`."""
        return _kind(self.splits, self.fresh_splits)


@dataclass(frozen=True, slots=True)
class AblationMeasured:
    """One change was trained on one pair.

    ``name`` is empty for the default or winner itself; ``score`` is None if training failed.
    """

    side: str
    name: str
    pair: int
    score: float | None


@dataclass(frozen=True, slots=True)
class BestTested:
    """The best trial's model was evaluated on the test set.

    Attributes:
        number: the trial.
        metrics: its metrics on the test set.
        refitted: whether the model was trained again, on training and validation rows together.
        epochs: the number of epochs of that training.
    """

    number: int
    metrics: Mapping[str, float]
    refitted: bool = False
    epochs: int | None = None


def _kind(splits: str, fresh_splits: bool) -> Splits:
    return Splits(splits) if splits else Splits.ROWS if fresh_splits else Splits.SAME


Event = (
    StudyCreated
    | SettingsChanged
    | SessionStarted
    | SessionEnded
    | SpaceChanged
    | SpaceReplaced
    | TrialAsked
    | TrialStarted
    | EpochMeasured
    | TrialPaused
    | TrialDecided
    | TrialEnded
    | TrialTested
    | ProgramCompiled
    | Noted
    | FinalStarted
    | FinalMeasured
    | FinalEnded
    | AblationStarted
    | AblationMeasured
    | BestTested
)

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__args__}
_STORED_NAMES = {"prefix_of": "shares"}
"""Fields that are stored under their earlier names."""


def to_json(event: Event) -> tuple[str, dict[str, Json]]:
    """An event as the name of its type and a strict JSON body; NaN and infinity become text."""
    # not `asdict`, which copies everything below as well
    kind = type(event).__name__
    body = {name: getattr(event, name) for name in _fields_of(kind)}
    for name, stored in _STORED_NAMES.items():
        if name in body:
            body[stored] = body.pop(name)
    if "worker" in body and body["worker"] is None:
        del body["worker"]
    if "metrics" in body:
        body["metrics"] = {k: v if math.isfinite(v) else str(v) for k, v in body["metrics"].items()}
    if isinstance(score := body.get("score"), float) and not math.isfinite(score):
        body["score"] = None
    return kind, body


@cache
def _fields_of(kind: str) -> tuple[str, ...]:
    return tuple(one.name for one in fields(_KINDS[kind]))


class UnknownKind(ValueError):
    """An event type that this version does not know; a newer version wrote it."""


def from_json(kind: str, body: str | bytes | Mapping[str, Json]) -> Event:
    """The inverse of `to_json`, with the body as it is or as JSON text; ignores unknown fields.

    Raises:
        UnknownKind: the event type is unknown.
        ValueError: a field is missing, or a value has the wrong type.
    """
    if kind not in _KINDS:
        raise UnknownKind(f"an event of the kind {kind!r}")
    try:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        return _reader(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (kind, *first["loc"])))
        raise ValueError(f"{place}: {first['msg']}") from error


@cache
def _reader(kind: str) -> TypeAdapter[Event]:
    return TypeAdapter(_KINDS[kind])
