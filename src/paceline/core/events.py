"""What happens in a study, as records: the study's memory is the list of its events, in order."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from paceline.core.decision import Action
from paceline.core.final import Splits
from paceline.core.trial import Configuration, TrialState

FORMAT = 2
"""Version of the record's form, stored in each study's first event; higher where what was written
before changed its meaning. Kinds of events and fields may be added without that."""

Json = Any
"""A value that goes to JSON and back unchanged."""


@dataclass(frozen=True, slots=True)
class StudyCreated:
    """The study began; what must stay the same when it is resumed.

    Attributes:
        format: version of the record's form.
        objective: metric and direction.
        data: fingerprint and description of the data.
        settings: everything else that was asked for.
    """

    format: int
    objective: Mapping[str, str]
    data: Mapping[str, Json]
    settings: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The study goes on with other settings: new values by dotted name, such as
    ``"closing.pairs"``; others stay.
    """

    changed: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A process began to write: the first one, or one that resumed."""

    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A process finished its part."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SpaceChanged:
    """The space is now this: at the start, and when a build meets a new hyperparameter.

    Attributes:
        space: all of it.
        trial: the trial whose build met it; None at the start.
    """

    space: Json
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class SpaceReplaced:
    """The user has changed the space: earlier trials count as far as their configurations lie in
    the new one.

    Attributes:
        space: all of it.
        trial: the trial whose function asked for something else than in earlier sessions; None
            where it was known before the session's first trial.
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
    """A trial was given to a program, or to ``fit``.

    Attributes:
        number: the trial.
        program: the program's name; ``"fit"`` for a model that runs alone.
        config: the configuration as ``build`` used it.
        shares: the trial whose training this one is read off, or None.
        parameters: how many numbers the network learns; None where that is not known.
    """

    number: int
    program: str
    config: Configuration
    shares: int | None = None
    parameters: int | None = None


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
    """A trial was put aside in the middle of its training: at the end of a tick, or since the study
    was stopped.
    """

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrialDecided:
    """The schedule's word on a trial that has trained ``epoch`` epochs; ``reason`` is its why, as a
    sentence.
    """

    number: int
    epoch: int
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial reached a final state; ``reason`` says why in a sentence or, for a failure, is the
    traceback.

    Where it was trained several times, on other seeds or folds, ``score`` is the mean of
    ``scores``. ``seeded`` is False for a function that never asked for ``hp.seed``.
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
    """Each of a trial's trainings met the test set; nothing is decided by it."""

    number: int
    tests: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class ProgramCompiled:
    """A program was compiled for a number of lanes; ``from_scratch`` counts what no cache
    answered.
    """

    program: str
    num_lanes: int
    seconds: float
    from_scratch: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something a person should know, in one sentence; ``about`` is ``"final"`` for what belongs to
    its result.
    """

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class FinalStarted:
    """The finalists are to be trained anew; see `paceline.core.Final` for what the fields mean."""

    finalists: tuple[int, ...]
    default: int | None
    num_pairs: int
    fresh_splits: bool
    validation_share: float
    splits: str = ""

    @property
    def kind(self) -> Splits:
        """What the pairs differ in; earlier versions knew of divisions by chance and of none."""
        return _kind(self.splits, self.fresh_splits)


@dataclass(frozen=True, slots=True)
class FinalMeasured:
    """A finalist was trained on one pair of a fresh seed and split; ``score`` is None where that
    failed.

    ``seeded`` is False where the seed cannot have mattered: of a function that never asked for
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
    """A finalist won."""

    winner: int
    reason: str


@dataclass(frozen=True, slots=True)
class AblationStarted:
    """An ablation is to be measured; see `paceline.core.Ablation` for what the fields mean."""

    default: int
    winner: int
    num_pairs: int
    fresh_splits: bool
    validation_share: float
    changes: Mapping[str, tuple[str, ...]]
    splits: str = ""

    @property
    def kind(self) -> Splits:
        """As of `FinalStarted`."""
        return _kind(self.splits, self.fresh_splits)


@dataclass(frozen=True, slots=True)
class AblationMeasured:
    """One change was trained on one pair; the name is empty for default or winner itself; no score:
    it failed.
    """

    side: str
    name: str
    pair: int
    score: float | None


@dataclass(frozen=True, slots=True)
class BestTested:
    """The best trial's model met the test set.

    Attributes:
        number: the trial.
        metrics: what was measured on the test part.
        refitted: whether the model was trained anew, on training and validation part together.
        epochs: how many epochs that took.
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


def to_json(event: Event) -> tuple[str, dict[str, Json]]:
    """An event as its kind and a body for strict JSON; numbers that are not finite become their
    names.
    """
    body = asdict(event)
    if "metrics" in body:
        body["metrics"] = {k: v if math.isfinite(v) else str(v) for k, v in body["metrics"].items()}
    if isinstance(score := body.get("score"), float) and not math.isfinite(score):
        body["score"] = None
    return type(event).__name__, body


class UnknownKind(ValueError):
    """An event of a kind that this version does not know: a newer one wrote it."""


def from_json(kind: str, body: str | bytes) -> Event:
    """The event back from what `to_json` gave, its body as JSON text; fields that a later version
    added are left out.

    Raises:
        UnknownKind: it is of no kind that is known.
        ValueError: it is no event: a field is missing, or a value has another type.
    """
    if kind not in _KINDS:
        raise UnknownKind(f"an event of the kind {kind!r}")
    try:
        return _reader(kind).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (kind, *first["loc"])))
        raise ValueError(f"{place}: {first['msg']}") from error


@cache
def _reader(kind: str) -> TypeAdapter[Event]:
    return TypeAdapter(_KINDS[kind])
