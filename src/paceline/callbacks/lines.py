"""The progress of a study in sentences, for all displays."""

from paceline.callbacks.progress import StudyProgress
from paceline.report import words


def status(progress: StudyProgress) -> str:
    """How far the study is, in one line."""
    said = [trials_done(progress), activity(progress), *remaining(progress)]
    trial, study = progress.best, progress.study
    if trial is not None and trial.score is not None and study is not None:
        score = words.number(trial.score)
        said.append(f"best {study.objective.metric} {score} (trial {trial.number})")
    return f"{words.duration(progress.elapsed)}: {', '.join(said)}."


def best(progress: StudyProgress) -> str:
    """The best trial so far, in one line; empty if there is none."""
    trial, study = progress.best, progress.study
    if trial is None or trial.score is None or study is None:
        return ""
    config = words.configuration(trial.config, words.varying(study.space))
    score = f"{study.objective.metric} {words.number(trial.score)}"
    return f"Best so far: {score}, trial {trial.number}: {config}"


def trials_done(progress: StudyProgress) -> str:
    """How many trials have ended, and of how many."""
    if progress.total is None:
        return f"{words.count(progress.ended, 'trial')} done"
    return f"{progress.ended:,} of {words.count(progress.total, 'trial')} done"


def remaining(progress: StudyProgress) -> list[str]:
    """The remaining time, if there is an estimate of it."""
    seconds = progress.seconds_left()
    if not seconds or (progress.total is not None and progress.ended >= progress.total):
        return []
    return [
        f"about {words.duration(seconds) if seconds >= 10 else f'{max(1, round(seconds))} s'} left"
    ]


def activity(progress: StudyProgress) -> str:
    """The current activity."""
    if progress.final is not None:
        done, total = progress.final
        said = [f"final: {done} of {total} fresh trainings of the finalists done"]
    elif progress.total is not None and progress.ended >= progress.total:
        said = ["saving and testing the best model" if progress.trains_models else "finishing"]
    else:
        where = f" on {words.count(progress.num_workers, 'worker')}" if progress.num_workers else ""
        said = [
            f"{words.count(progress.running, 'trial')} training{where}"
            if progress.running
            else "preparing the next trials"
        ]
        rate = progress.steps_per_second()
        if rate:
            said.append(f"{words.number(rate)} steps per second")
    if progress.compiled:
        said.append(f"{words.count(progress.compiled, 'model')} compiled")
    if progress.failed:
        said.append(f"{words.count(progress.failed, 'trial')} failed")
    return ", ".join(said)
