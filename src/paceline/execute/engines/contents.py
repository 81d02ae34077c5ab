"""Jobs, updates, facts and errors as contents of messages."""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from paceline.core import InvalidInput, PacelineError
from paceline.core.events import from_json, to_json
from paceline.execute.base import ExecutorUpdate, Job, Leaves, Resources, TrialSnapshot
from paceline.execute.engines.messages import Array, ArrayList, Message
from paceline.execute.engines.work_coding import decoded_observation, encoded_observation
from paceline.execute.found_in_build import FoundInBuild
from paceline.space import hyperparameter_from_json

Json = Any


@dataclass(frozen=True, slots=True, eq=False)
class Jobs:
    """Jobs for an engine.

    Attributes:
        number: counts the messages with jobs to this engine, from 1.
        jobs: the jobs.
        snapshots: states from which trials continue, by number.
        scores: the objective after each epoch so far of those trials.
        resting: trials that continue from the state that the engine itself has returned last.
    """

    number: int
    jobs: Sequence[Job]
    snapshots: Mapping[int, TrialSnapshot] = field(default_factory=dict)
    scores: Mapping[int, Sequence[float]] = field(default_factory=dict)
    resting: Sequence[int] = ()


def jobs_message(jobs: Jobs) -> Message:
    """Jobs as a message."""
    arrays = ArrayList()
    return Message(
        "jobs",
        {
            "number": jobs.number,
            "jobs": [_job(job) for job in jobs.jobs],
            "snapshots": [_snapshot(n, one, arrays) for n, one in jobs.snapshots.items()],
            "scores": [
                [number, arrays.add(np.asarray(own, np.float64))]
                for number, own in jobs.scores.items()
            ],
            "resting": list(jobs.resting),
        },
        arrays.all,
    )


def jobs_of(message: Message) -> Jobs:
    """The inverse of `jobs_message`."""
    content, arrays = message.content, message.arrays
    return Jobs(
        content["number"],
        tuple(
            Job(**{**one, "resources": Resources(**one["resources"])}) for one in content["jobs"]
        ),
        dict(_read_snapshot(one, arrays) for one in content["snapshots"]),
        {number: arrays[place].tolist() for number, place in content["scores"]},
        tuple(content["resting"]),
    )


def update_message(update: ExecutorUpdate, resting: Sequence[int] = ()) -> Message:
    """An update as a message; its snapshots are loaded.

    Args:
        update: the update.
        resting: trials whose snapshots the engine keeps, so that it need not get them again.
    """
    arrays = ArrayList()
    content: dict[str, Json] = {
        "events": [to_json(event) for event in update.events],
        "results": [[n, arrays.add_all(leaves)] for n, leaves in update.results.items()],
        "snapshots": [_snapshot(n, one.load(), arrays) for n, one in update.snapshots.items()],
        "trained": [
            [n, [arrays.add_all(leaves) for leaves in each]] for n, each in update.trained.items()
        ],
        "wrong": list(update.wrong),
        "resting": list(resting),
        "error": None if update.error is None else error_content(update.error),
    }
    return Message("update", content, arrays.all)


def update_of(message: Message, worker: str | None = None) -> ExecutorUpdate:
    """The inverse of `update_message`.

    Args:
        message: the message.
        worker: the engine that sent it.
    """
    content, arrays = message.content, message.arrays

    def leaves(places: Iterable[int]) -> Leaves:
        return [arrays[place] for place in places]

    return ExecutorUpdate(
        tuple(from_json(kind, body) for kind, body in content["events"]),
        {n: leaves(places) for n, places in content["results"]},
        dict(_read_snapshot(one, arrays) for one in content["snapshots"]),
        None if content["error"] is None else error_of(content["error"]),
        {n: [leaves(places) for places in each] for n, each in content["trained"]},
        worker,
        tuple(content["wrong"]),
    )


def learned_message(learned: FoundInBuild) -> Message:
    """What a build has shown, as a message."""
    return Message(
        "learned",
        {
            "trial": learned.trial,
            "new": [h.to_json() for h in learned.new],
            "observation": encoded_observation(learned.observation),
        },
    )


def learned_of(message: Message) -> FoundInBuild:
    """The inverse of `learned_message`."""
    content = message.content
    return FoundInBuild(
        content["trial"],
        tuple(map(hyperparameter_from_json, content["new"])),
        decoded_observation(content["observation"]),
    )


# -- errors


def error_content(error: BaseException) -> Json:
    """An error as JSON types; of one that Paceline did not raise, with its traceback."""
    if isinstance(error, InvalidInput):
        return {"passed": error.passed, "expected": error.expected, "fix": error.fix}
    if isinstance(error, PacelineError):
        return {"text": str(error)}
    trace = "".join(traceback.format_exception(error))
    return {"text": f"{type(error).__name__}: {error}", "trace": trace}


def error_of(content: Mapping[str, Json]) -> PacelineError:
    """The error that is raised in the driver; it has the traceback of the engine as a note."""
    if "passed" in content:
        fields = {name: content[name] for name in ("expected", "fix")}
        return InvalidInput(content["passed"], **fields)
    error = PacelineError(content["text"])
    if "trace" in content:
        error.add_note(f"In the engine:\n{content['trace']}")
    return error


# -- parts


def _job(job: Job) -> Json:
    return {**asdict(replace(job, config={})), "config": dict(job.config)}


def _snapshot(number: int, snapshot: TrialSnapshot, arrays: ArrayList) -> Json:
    best = None if snapshot.best is None else arrays.add_all(snapshot.best)
    leaves = arrays.add_all(snapshot.leaves)
    return [number, snapshot.epoch, snapshot.seconds, leaves, best, snapshot.callbacks]


def _read_snapshot(content: Json, arrays: Sequence[Array]) -> tuple[int, TrialSnapshot]:
    number, epoch, seconds, leaves, best, callbacks = content
    kept = None if best is None else [arrays[place] for place in best]
    own = [arrays[place] for place in leaves]
    return number, TrialSnapshot(epoch, seconds, own, kept, callbacks)
