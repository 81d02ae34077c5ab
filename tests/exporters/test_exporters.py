"""Exports, read back with the tools' own libraries."""

import hashlib
import json
import math
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import paceline
from paceline import Choice, Float, Int, InvalidInput, PacelineError, Space, Study
from paceline.cli.app import app
from paceline.exporters import Exporter, MLflow, OptunaStorage, Tables, TensorBoard, WandB, export
from paceline.exporters.base import without_password
from paceline.exporters.wandb_files import log_of

SPACE = Space(
    [
        Int("units", 32, 100, 32),
        Float("rate", 1e-4, 1e-1, sampling="log"),
        Float("dropout", 0, 0.5, 0.2),
        Int("power", 1, 64, 2, "log"),
        Choice("kind", ["a", "b"]),
        Choice("mixed", [1, "auto"]),
    ]
)


def objective(hp: Any) -> None:
    for name in ("dropout", "power", "mixed"):
        assert hp[name] is not None
    if hp["kind"] == "b" and hp["units"] == 32:
        raise RuntimeError("no such network")
    for step in range(3):
        hp.report({"score": hp["rate"] * (step + 1), "loss": -float(step)})


def run(directory: Path, trials: int = 6, callbacks: Any = ()) -> Study:
    return paceline.optimize(
        objective,
        ("score", "max"),
        space=SPACE,
        trials=trials,
        epochs=3,
        final=False,
        search="random",
        schedule="median",
        study=directory,
        seed=3,
        callbacks=list(callbacks),
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = run(tmp_path_factory.mktemp("exported") / "study")
    assert {str(trial.state) for trial in made.trials} >= {"completed", "failed"}
    return made


def test_tables_are_read_back(study: Study, tmp_path: Path) -> None:
    for file_type in ("csv", "json", "parquet"):
        export(study.directory, Tables(tmp_path, file_type))
    expected = study.trials_dataframe()
    csv = pd.read_csv(tmp_path / "trials.csv")
    pd.testing.assert_frame_equal(csv, expected.astype({"config_mixed": str}), check_dtype=False)
    rows = json.loads((tmp_path / "trials.json").read_text())
    assert [row["config_mixed"] for row in rows] == list(expected["config_mixed"])
    assert [row["score"] for row in rows] == [trial.score for trial in study.trials]
    parquet = pd.read_parquet(tmp_path / "trials.parquet")
    pd.testing.assert_series_equal(parquet["config_rate"], expected["config_rate"])
    epochs = pd.read_parquet(tmp_path / "epochs.parquet")
    assert [tuple(row) for row in epochs[["number", "epoch", "score"]].itertuples(index=False)] == [
        (trial.number, one.epoch, one.metrics["score"])
        for trial in study.trials
        for one in trial.measurements
    ]


def test_tensorboard_shows_curves_and_hyperparameters(study: Study, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    for _ in range(2):  # the second export replaces the first
        export(study.directory, TensorBoard(tmp_path))
    for trial in study.trials:
        folder = tmp_path / f"trial-{trial.number}"
        assert len(list(folder.iterdir())) == 1
        events = EventAccumulator(str(folder)).Reload()
        start = metadata.parse_session_start_info_plugin_data(
            events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        )
        read = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items()}
        assert read == dict(trial.config)
        if trial.measurements:
            found = [(one.step, one.tensor_proto.float_val[0]) for one in events.Tensors("score")]
            curve = [(one.epoch, one.metrics["score"]) for one in trial.measurements]
            assert found[: len(curve)] == [(step, pytest.approx(value)) for step, value in curve]
    config = metadata.parse_experiment_plugin_data(
        EventAccumulator(str(tmp_path))
        .Reload()
        .SummaryMetadata(metadata.EXPERIMENT_TAG)
        .plugin_data.content
    )
    assert [one.name for one in config.hparam_infos] == [one.name for one in SPACE]


def test_optuna_reads_trials_and_a_second_export_adds_nothing(study: Study, tmp_path: Path) -> None:
    import optuna

    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    for _ in range(2):
        export(study.directory, OptunaStorage(url, "exported"))
    made = optuna.load_study(study_name="exported", storage=url)
    assert made.direction == optuna.study.StudyDirection.MAXIMIZE
    assert len(made.trials) == len(study.trials)
    states = {"completed": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
    for theirs, ours in zip(made.trials, study.trials, strict=True):
        assert theirs.state.name == states[str(ours.state)]
        assert theirs.params == dict(ours.config)
        assert theirs.value == ours.score
        assert theirs.intermediate_values == {
            one.epoch: one.metrics["score"] for one in ours.measurements
        }
    assert made.best_params == dict(study.best.config)
    made.ask(dict(made.trials[0].distributions))  # its samplers accept the distributions


def test_optuna_has_the_same_trials_where_it_adds_them_itself(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    from paceline.exporters import optuna_bulk

    read = []
    for schema in (12, 0):  # with another one, trials are added through Optuna
        monkeypatch.setattr(optuna_bulk, "_SCHEMA", schema)
        export(study.directory, OptunaStorage(url := f"sqlite:///{tmp_path / f'{schema}.db'}"))
        trials = optuna.load_study(study_name="study", storage=url).trials
        assert all(one.datetime_start and one.datetime_complete for one in trials)
        names = ("number", "state", "values", "params", "distributions", "intermediate_values")
        read.append([[getattr(one, name) for name in (*names, "user_attrs")] for one in trials])
    assert read[0] == read[1]


# MLflow's own use of SQLAlchemy
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.exhaustive
def test_mlflow_has_the_same_runs_where_its_client_writes_them(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    from paceline.exporters import mlflow_bulk

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    read: list[Any] = []
    for name in ("at once", "one by one"):
        if name == "one by one":
            monkeypatch.setattr(mlflow_bulk, "_store", lambda client: None)
        client.create_experiment(name, artifact_location=(tmp_path / name).as_uri())
        export(study.directory, MLflow(uri, name))
        runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
        found = {}
        for run_ in runs:
            info, tags = run_.info, dict(run_.data.tags)
            artifacts = f"{(tmp_path / name).as_uri()}/{info.run_id}/artifacts"
            assert info.artifact_uri == artifacts
            assert info.end_time >= info.start_time
            tags.pop("mlflow.parentRunId", None)
            histories = {
                key: [(one.step, one.value) for one in client.get_metric_history(info.run_id, key)]
                for key in run_.data.metrics
            }
            facts = (info.run_name, info.status, info.lifecycle_stage, info.user_id)
            trial = tags.get("paceline.trial", "parent")
            found[trial] = facts, tags, run_.data.params, run_.data.metrics, histories
        read.append(found)
    assert read[0] == read[1]


def test_a_study_of_another_is_not_continued(study: Study, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    export(study.directory, OptunaStorage(url, "one"))
    run(tmp_path / "other", 1)
    with pytest.raises(InvalidInput, match="Pass another study_name"):
        export(tmp_path / "other", OptunaStorage(url, "one"))


def test_a_study_is_known_by_itself_and_not_by_its_directory(tmp_path: Path) -> None:
    import optuna

    url, place = f"sqlite:///{tmp_path / 'optuna.db'}", tmp_path / "study"
    first = run(place, 2)
    export(place, OptunaStorage(url, "one"))
    export(place, Tables(tmp_path / "out"))
    moved = place.rename(tmp_path / "moved")
    export(moved, OptunaStorage(url, "one"))
    export(moved, Tables(tmp_path / "out"))
    assert len(optuna.load_study(study_name="one", storage=url).trials) == len(first.trials)
    run(place, 2)  # a new one at its former place
    with pytest.raises(InvalidInput, match="Pass another study_name"):
        export(place, OptunaStorage(url, "one"))
    with pytest.raises(InvalidInput, match="has the files of another study"):
        export(place, Tables(tmp_path / "out"))


def exported_by_path(place: Path, folder: Path) -> tuple[Any, str]:
    """What an earlier version exported of a study at a place: one of Optuna, and tables."""
    import optuna

    by_path = hashlib.sha256(str(place).encode()).hexdigest()[:16]
    url = f"sqlite:///{folder / 'optuna.db'}"
    made = optuna.create_study(study_name="one", storage=url)
    made.set_user_attr("paceline", by_path)
    (folder / "out").mkdir()
    (folder / "out" / ".paceline-study").write_text(by_path)
    return made, url


def test_exports_of_earlier_versions_are_found(tmp_path: Path) -> None:
    place = tmp_path / "study"
    place.mkdir()
    shutil.copy(Path(__file__).parents[1] / "study" / "earlier" / "function.db", place / "study.db")
    made, url = exported_by_path(place, tmp_path)
    for _ in range(2):
        export(place, OptunaStorage(url, "one"))
        assert len(made.trials) == len(paceline.load_study(place).trials)
        export(place, Tables(tmp_path / "out"))


def test_an_export_of_an_earlier_study_at_the_same_place_stays(
    study: Study, tmp_path: Path
) -> None:
    made, url = exported_by_path(study.directory, tmp_path)
    with pytest.raises(InvalidInput, match="Pass another study_name"):
        export(study.directory, OptunaStorage(url, "one"))
    with pytest.raises(InvalidInput, match="has the files of another study"):
        export(study.directory, Tables(tmp_path / "out"))
    assert made.trials == []
    assert [one.name for one in (tmp_path / "out").iterdir()] == [".paceline-study"]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.exhaustive
def test_mlflow_and_wandb_know_a_study_by_itself(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    pytest.importorskip("wandb", reason="needs the extra wandb")
    uri, place = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "study"
    client = mlflow.MlflowClient(uri)
    client.create_experiment("tests", artifact_location=(tmp_path / "artifacts").as_uri())
    targets = [MLflow(uri, "tests"), WandB("tests", mode="offline", directory=tmp_path / "runs")]
    (tmp_path / "runs").mkdir()

    def counts() -> tuple[int, int]:
        runs = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
        return len(runs), len(list(tmp_path.glob("runs/wandb/offline-run-*")))

    run(place, 2)
    for target in targets:
        export(place, target)
    assert counts() == (3, 2)
    moved = place.rename(tmp_path / "moved")
    moved.rename(place.with_name("study"))  # W&B groups runs by the directory's name
    for target in targets:
        export(place, target)
    assert counts() == (3, 2)
    place.rename(moved)
    run(place, 2)
    for target in targets:
        export(place, target)
    assert counts() == (6, 4)


# MLflow's own use of SQLAlchemy
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.exhaustive
def test_mlflow_has_a_run_for_the_study_and_one_for_each_trial(
    study: Study, tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (study.directory / "report.html").write_text("<p>report</p>")
    client = mlflow.MlflowClient(uri)
    client.create_experiment("tests", artifact_location=(tmp_path / "artifacts").as_uri())
    for _ in range(2):
        export(study.directory, MLflow(uri, "tests"))
    runs = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    (parent,) = [run for run in runs if "paceline.study" in run.data.tags]
    children = {int(r.data.tags["paceline.trial"]): r for r in runs if r is not parent}
    assert len(runs) == 1 + len(children)
    assert set(children) == {trial.number for trial in study.trials}
    for trial in study.trials:
        run_ = children[trial.number]
        assert run_.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run_.info.status == ("FAILED" if trial.error else "FINISHED")
        assert run_.data.params == {name: str(value) for name, value in trial.config.items()}
        history = client.get_metric_history(run_.info.run_id, "loss")
        assert [(one.step, one.value) for one in history] == [
            (one.epoch, one.metrics["loss"]) for one in trial.measurements
        ]
    assert parent.data.metrics["best_score"] == study.best.score
    assert [one.path for one in client.list_artifacts(parent.info.run_id)] == ["report.html"]


@pytest.mark.parametrize("kind", ["tensorboard", "optuna"])
def test_as_a_callback_it_exports_the_same_also_over_several_sessions(
    tmp_path: Path, kind: str
) -> None:
    run(tmp_path / "study", 3)
    repeated = run(tmp_path / "study", 6, [kind])
    if kind == "tensorboard":
        folders = {path.name for path in (tmp_path / "study/tensorboard").glob("trial-*")}
        assert folders == {f"trial-{trial.number}" for trial in repeated.trials}
    else:
        import optuna

        made = optuna.load_study(
            study_name="study", storage=f"sqlite:///{tmp_path / 'study/optuna.db'}"
        )
        of_number = {one.user_attrs["paceline"]["trial"]: one.params for one in made.trials}
        assert of_number == {t.number: dict(t.config) for t in repeated.trials}


KILLED = """
import os, signal, sys
import paceline
from paceline.exporters import OptunaStorage

calls = []

def objective(hp):
    hp.Float("x", 0, 1)
    calls.append(hp)
    if len(calls) == 4 and sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return hp["x"]

paceline.optimize(
    objective, "max", trials=5, search="random", final=False, seed=1, display=False,
    study=sys.argv[1] + "/study", callbacks=[OptunaStorage("sqlite:///" + sys.argv[1] + "/o.db")],
)
"""


@pytest.mark.exhaustive
def test_what_was_exported_before_a_kill_stays_and_the_rest_follows(tmp_path: Path) -> None:
    import optuna

    counts = []
    for ends in ("kill", "well"):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), ends], check=False)
        assert (ended.returncode == 0) == (ends == "well")
        made = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'o.db'}")
        counts.append([one.user_attrs["paceline"]["trial"] for one in made.trials])
    assert counts == [[0, 1, 2], [0, 1, 2, 3, 4]]


def test_trials_that_end_together_are_written_together(tmp_path: Path) -> None:
    groups: list[list[int]] = []

    class Groups(Exporter):
        def add_many(self, trials: Any) -> None:
            groups.append([trial.number for trial in trials])

    made = run(tmp_path / "study", 4, [Groups()])
    assert groups[0] == []  # of earlier sessions
    assert sorted(number for group in groups for number in group) == [
        trial.number for trial in made.trials
    ]


def test_trials_after_a_change_of_the_space_are_exported(tmp_path: Path) -> None:
    import optuna

    def simple(hp: Any) -> float:
        return float(hp["x"])

    for upper in (1.0, 0.5):
        paceline.optimize(
            simple,
            "max",
            space=Space(
                [Float("x", 0, upper), Choice("y", ["a", "b"] if upper == 1.0 else ["a", "c"])]
            ),
            trials=8 if upper == 1.0 else 12,
            final=False,
            search="random",
            study=tmp_path / "study",
            seed=1,
            change_space=upper == 0.5,
        )
    export(tmp_path / "study", OptunaStorage(url := f"sqlite:///{tmp_path / 'o.db'}"))
    made = optuna.load_study(study_name="study", storage=url)
    study = paceline.load_study(tmp_path / "study")
    others = [one.user_attrs["paceline"].get("other_parameters", {}) for one in made.trials]
    read = [{**one.params, **other} for one, other in zip(made.trials, others, strict=True)]
    assert read == [dict(trial.config) for trial in study.trials]


@pytest.mark.parametrize("to", ["csv", "tensorboard", "optuna"])
def test_on_the_terminal(study: Study, tmp_path: Path, to: str) -> None:
    where = f"sqlite:///{tmp_path / 'o.db'}" if to == "optuna" else str(tmp_path / "out")
    result = CliRunner().invoke(app, ["export", str(study.directory), "--to", to, "-o", where])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Exported to ")
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "tensorbord"], "Did you mean 'tensorboard'"),
        (["--to", "csv", "--name", "x"], "csv has files only"),
    ],
)
def test_unusable_export_targets_are_refused(
    study: Study, options: list[str], message: str
) -> None:
    result = CliRunner().invoke(app, ["export", str(study.directory), *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for kind, extra in ((TensorBoard, "tensorboard"), (MLflow, "mlflow"), (WandB, "wandb")):
        with pytest.raises(InvalidInput, match=rf"pip install 'paceline\[{extra}\]'"):
            kind()
    with pytest.raises(InvalidInput, match="pip install 'paceline"):
        run(Path("never-made"), callbacks=["tensorboard"])
    assert not Path("never-made").exists()


def test_an_exporter_of_ones_own(study: Study) -> None:
    scores: dict[int, float | None] = {}

    class Scores(Exporter):
        def add(self, trial: Any) -> None:
            scores[trial.number] = trial.score

    export(study.directory, Scores())
    assert scores == {trial.number: trial.score for trial in study.trials}
    assert any(score is not None and math.isfinite(score) for score in scores.values())


def odd_names(hp: Any) -> None:
    hp.Float("rate", 0.0, 1.0)
    for step in range(2):
        hp.report({"score": hp["rate"] - step, "a/b.c": math.nan, "top": math.inf})


@pytest.mark.exhaustive
def test_weights_and_biases_has_the_same_runs_where_the_library_writes_them(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb", reason="needs the extra wandb")
    from paceline.exporters import wandb_runs

    odd = paceline.optimize(
        odd_names, ("score", "max"), trials=1, epochs=2, final=False, study=tmp_path / "odd", seed=1
    )

    def refuse(*_: Any) -> None:
        raise TypeError("records of another version")

    read = []
    for name in ("files", "library"):
        if name == "library":
            monkeypatch.setattr(wandb_runs, "write_run", refuse)
        for exported in (study, odd):
            folder = tmp_path / name / exported.directory.name
            folder.mkdir(parents=True)
            export(exported.directory, WandB("tests", "g", mode="offline", directory=folder))
        wandb.teardown()  # waits until its own process has written everything
        read.append(_runs(tmp_path / name))
    assert read[0] == read[1]
    assert len(read[0]) == len(study.trials) + len(odd.trials)


@pytest.mark.exhaustive
def test_weights_and_biases_has_a_run_for_each_trial(study: Study, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="needs the extra wandb")
    for _ in range(2):  # the second export adds nothing
        export(study.directory, WandB("tests", mode="offline", directory=tmp_path))
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == len(study.trials)
    read = _runs(tmp_path)
    assert len(read) == len(study.trials)
    export(study.directory, WandB("others", mode="offline", directory=tmp_path))
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2 * len(study.trials)
    for trial in study.trials:
        run_ = next(one for one in read.values() if one["name"] == f"trial {trial.number}")
        assert (run_["project"], run_["group"]) == ("tests", "study")
        assert run_["config"] == dict(trial.config)
        assert run_["summary"]["state"] == str(trial.state)
        assert (
            run_["summary"]["score"] == trial.score
        )  # also where it is not that of the last epoch
        assert run_["exit"] == int(trial.error is not None)
        assert [(one["_step"], one.get("score")) for one in run_["history"]] == [
            (one.epoch, one.metrics["score"]) for one in trial.measurements
        ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 70_000), max_size=6), st.integers(0, 9))
def test_records_of_any_length_are_read_back(lengths: list[int], seed: int) -> None:
    records = [bytes([(seed + number) % 256]) * length for number, length in enumerate(lengths)]
    assert list(_contents(log_of(records))) == records


_TIMES = ("_runtime", "_timestamp", "_wandb")


def _runs(folder: Path) -> dict[str, dict[str, Any]]:
    """The runs of all files in a folder, by their identifiers, without times of the export."""
    return {
        found["id"]: found
        for found in (_run(path.read_bytes()) for path in folder.rglob("*.wandb"))
    }


def _run(stored: bytes) -> dict[str, Any]:
    from wandb.proto import wandb_internal_pb2

    run_: dict[str, Any] = {"history": [], "summary": {}}
    for content in _contents(stored):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
        record.ParseFromString(content)
        if record.HasField("run"):
            made = record.run
            run_ |= {"id": made.run_id, "name": made.display_name, "resume": made.resume}
            run_ |= {"project": made.project, "group": made.run_group, "entity": made.entity}
            run_["config"] = _values(made.config.update)
        if record.HasField("history"):
            row = _values(record.history.item)
            assert row["_step"] == record.history.step.num
            run_["history"].append(row)
        if record.HasField("summary"):
            run_["summary"] |= _values(record.summary.update)
        if record.HasField("exit"):
            run_["exit"] = record.exit.exit_code
    return run_


def _values(items: Any) -> dict[str, Any]:
    read = partial(json.loads, parse_constant=str)  # NaN equals itself
    pairs = [(item.key or item.nested_key[0], read(item.value_json)) for item in items]
    return {name: value for name, value in pairs if name not in _TIMES}


def _contents(stored: bytes) -> Iterator[bytes]:
    """The records of an offline run: a log in LevelDB's format, after a header of seven bytes."""
    assert stored[:7] == b":W&B\xe1\xbe\x00"
    block, part, at = 32_768, b"", 7
    while at < len(stored):
        if block - at % block < 7:  # the rest of a block is padding
            at += block - at % block
            continue
        length, kind = int.from_bytes(stored[at + 4 : at + 6], "little"), stored[at + 6]
        checked = stored[at + 6 : at + 7 + length]
        assert zlib.crc32(checked) == int.from_bytes(stored[at : at + 4], "little")
        part += checked[1:]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield part
            part = b""


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
@pytest.mark.exhaustive
def test_mlflow_gets_names_that_it_accepts(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")

    def odd(hp: Any) -> float:
        return float(hp.Float("lr:a=b%", 0, 1))

    paceline.optimize(odd, "max", trials=2, final=False, study=tmp_path / "study", seed=1)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    client.create_experiment("odd", artifact_location=(tmp_path / "artifacts").as_uri())
    export(tmp_path / "study", MLflow(uri, "odd"))
    runs = client.search_runs([client.get_experiment_by_name("odd").experiment_id])
    children = [run for run in runs if "paceline.trial" in run.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.data.tags["paceline.name.lr:a_b_"] == "lr:a=b%" for run in children)
    assert all(set(run.data.params) == {"lr:a_b_"} for run in children)


@pytest.mark.parametrize("kind", [Tables, TensorBoard])
def test_a_directory_has_one_study(study: Study, tmp_path: Path, kind: Any) -> None:
    export(study.directory, kind(tmp_path / "out"))
    run(tmp_path / "other", 1)
    with pytest.raises(InvalidInput, match="has the files of another study"):
        export(tmp_path / "other", kind(tmp_path / "out"))
    export(study.directory, kind(tmp_path / "out"))


@pytest.mark.parametrize(
    ("to", "where"),
    [
        ("csv", "file"),
        ("tensorboard", "file"),
        ("optuna", "plain.db"),
        ("optuna", "sqlite:////nowhere/optuna.db"),
        ("mlflow", "sqlite:////nowhere/mlflow.db"),
    ],
)
def test_a_target_that_cannot_be_written_is_a_clear_error(
    study: Study, tmp_path: Path, to: str, where: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    place = where if "://" in where or to == "optuna" else str(tmp_path / where)
    result = CliRunner().invoke(app, ["export", str(study.directory), "--to", to, "-o", place])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert "expected" in result.output
    if to in ("optuna", "mlflow"):
        assert f"such as 'sqlite:///{to}.db'" in " ".join(result.output.split())


def test_tables_without_room_say_what_to_do_and_leave_no_half(study: Study, tmp_path: Path) -> None:
    (tmp_path / "trials.csv").mkdir()
    with pytest.raises(PacelineError, match=r"trials\.csv cannot be written .*then try again$"):
        export(study.directory, Tables(tmp_path))
    assert sorted(one.name for one in tmp_path.iterdir()) == [".paceline-study", "trials.csv"]


def test_the_place_of_an_export_is_named(study: Study, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'named.db'}"
    exporter = OptunaStorage(url, "mine")
    export(study.directory, exporter)
    assert exporter.place == f"the study 'mine' in {url}"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann:s3cret@db.example:5432/tuning",
        "postgresql://ann:s3cret/x@db.example:5432/tuning",
        "postgresql+psycopg://ann:s3cret@x@db.example:5432/tuning",
        "mysql://db.example:5432/tuning?user=ann&password=s3cret",
        "https://ann:s3cret@db.example:5432/tuning",
    ],
)
def test_passwords_are_not_shown(address: str) -> None:
    shown = without_password(address)
    assert "s3cret" not in shown
    assert "db.example:5432/tuning" in shown
    for path in ("sqlite:////data/ann@home/optuna.db", "file:///ann@home", "/runs/ann@home"):
        assert without_password(path) == path


def test_what_weights_and_biases_needs_is_said(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(InvalidInput, match=r"login.* mode='offline', .*WANDB_MODE=offline"):
        export(study.directory, WandB(directory=tmp_path))


def test_arguments_of_exporters_are_checked() -> None:
    with pytest.raises(InvalidInput, match="directory is 5"):
        TensorBoard(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="mode is 'offlin'"):
        WandB(mode="offlin")  # type: ignore[arg-type]
