"""Executables on disk are found without lowering, and used for no other program."""

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import Any

import jax
import keras
import numpy as np
import psutil
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from tests.marking import first_of
from tests.train.kinds import SIZE, TABLE, Row
from tests.train.test_train_merging_verification import merged

from paceline.train import environment
from paceline.train.array_feed import ArrayFeed, TrainingData
from paceline.train.array_program import ArrayProgram
from paceline.train.cohort import Cohort, Lane
from paceline.train.kept_executables import SUFFIX, CacheEntry, KeptExecutables, LoadedFunction
from paceline.train.program import lifted_constants
from paceline.train.program_digest import program_digest
from paceline.train.trace import trace
from paceline.train.traced_model import TracedModel

RNG = np.random.default_rng(0)
X = RNG.random((44, 3), "float32")
LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A cache of JAX of its own."""
    before = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    for place in (str(tmp_path), before):
        jax.config.update("jax_compilation_cache_dir", place)
        reset_cache()
        if place != before:
            yield tmp_path


@pytest.fixture
def lowered() -> Iterator[list[str]]:
    """The names of functions that are lowered."""
    names: list[str] = []

    def note(event: str, duration_secs: float, **more: Any) -> None:
        if event == LOWERED:
            names.append(str(more.get("fun_name", "")))

    jax.monitoring.register_event_duration_secs_listener(note)
    yield names
    jax.monitoring.unregister_event_duration_listener(note)


def dense(rate: float = 0.1, units: int = 4, **options: Any) -> keras.Model:
    hidden = keras.layers.Dense(units, "tanh")
    model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dropout(0.2)])
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(rate, **options), "mse", metrics=["mae"])
    return model


def traced(model: Callable[[], keras.Model] = dense, x: Any = X) -> TracedModel:
    keras.utils.set_random_seed(1)
    rows = (x, x[:, :1])
    return trace(model(), ArrayFeed(TrainingData.of(rows, rows), SIZE))


def program(network: TracedModel, epochs: int | None = 1) -> ArrayProgram:
    return ArrayProgram(network, lifted_constants([network]), epochs=epochs)


def trained(own: ArrayProgram, network: TracedModel) -> tuple[bool, list[np.ndarray]]:
    """Whether its functions were read from the disk, and what a network is after two epochs."""
    compiled = own.compile(2, None)
    cohort = Cohort(compiled)
    cohort.fill({1: Lane(network, 2, 1)})
    metrics = []
    for _ in range(2):
        for _ in cohort.advance(1):
            pass
        (logs,) = cohort.epoch_logs()
        metrics += list(logs.metrics.values())
    return isinstance(compiled.train, LoadedFunction), [*cohort.state_of(1), np.array(metrics)]


def are_equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(some, others, strict=True))


def entries(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{SUFFIX}"))


def entries_of(path: Path) -> list[CacheEntry]:
    """What a file names."""
    return [CacheEntry(*one[::2]) for one in json.loads(path.read_text("utf-8"))[0]["entries"]]


def test_a_known_program_is_not_lowered_and_trains_the_same(
    directory: Path, lowered: list[str]
) -> None:
    network = traced()
    first = trained(program(network), network)
    assert len(lowered) > 1
    lowered.clear()
    again = traced(lambda: dense(0.03))  # another network of the same structure
    second = trained(program(again), network)
    assert [name for name in lowered if "train" in name or "finish" in name] == []
    assert (first[0], second[0]) == (False, True)
    assert are_equal(first[1], second[1])
    assert len(entries(directory)) == 1


OTHERS: dict[str, Callable[[], ArrayProgram]] = {
    "other sizes": lambda: program(traced(lambda: dense(units=5))),
    "another optimizer": lambda: program(traced(lambda: dense(clipnorm=1.0))),
    "other rows": lambda: program(traced(x=X[:40])),
    "more epochs": lambda: program(traced(), epochs=10**6),
    "a constant with another value": lambda: program(traced(lambda: dense(beta_1=0.5))),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_program_has_an_entry_of_its_own(name: str, directory: Path) -> None:
    network = traced()
    program(network).compile(2, None)
    other = OTHERS[name]()
    assert not isinstance(other.compile(2, None).train, LoadedFunction)
    assert not isinstance(program(network).compile(1, None).train, LoadedFunction)
    assert len(entries(directory)) == 3


def test_what_is_an_input_of_a_program_is_part_of_its_key() -> None:
    networks = [traced(partial(dense, beta_1=beta)) for beta in (0.5, 2.0**-3)]
    own, both = lifted_constants(networks[:1]), lifted_constants(networks)
    assert own != both
    programs = [ArrayProgram(networks[0], lifted) for lifted in (own, both)]
    assert len({made.part_digest("train") for made in programs}) == 2


def test_a_setting_of_jax_and_other_versions_have_entries_of_their_own(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = traced()
    program(network).compile(1, None)

    def is_known() -> bool:
        return isinstance(program(network).compile(1, None).train, LoadedFunction)

    for module in (keras, jax, np):
        with monkeypatch.context() as changed:
            changed.setattr(module, "__version__", "0.0.1")
            assert not is_known()
    with monkeypatch.context() as changed:
        changed.setattr(environment, "_sources", lambda: "another version of Paceline")
        assert not is_known()
    with monkeypatch.context() as changed:
        changed.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_cpu_enable_fast_math=true")
        assert not is_known()
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        assert not is_known()
    finally:
        jax.config.update("jax_default_matmul_precision", precision)
    assert is_known()


def damaged(content: bytes, other: bytes) -> dict[str, bytes]:
    """Contents that a file may have in place of the right one."""
    middle = len(content) // 2
    return {
        "cut": content[:middle],
        "empty": b"",
        "a bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "foreign": b"{}",
        "a list": b"[[], 1]",
        "no text": b"\xff\xfe",
        "of another program": other,
        "too large": content * 2**14,
    }


@pytest.mark.parametrize("kind", damaged(b"12", b""))
def test_a_damaged_file_is_replaced(kind: str, directory: Path) -> None:
    network = traced()
    program(network).compile(1, None)
    (path,) = entries(directory)
    program(network).compile(2, None)
    (other,) = set(entries(directory)) - {path}
    right = path.read_bytes()
    path.write_bytes(damaged(right, other.read_bytes())[kind])
    again = program(network).compile(1, None)
    assert (isinstance(again.train, LoadedFunction), again.from_scratch) == (False, 0)
    assert path.read_bytes() == right
    assert isinstance(program(network).compile(1, None).train, LoadedFunction)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_damaged_or_missing_executable_is_compiled_again(is_there: bool, directory: Path) -> None:
    network = traced()
    _, expected = trained(program(network), network)
    (path,) = directory.glob("jit_train-*-cache")
    whole = path.read_bytes()
    path.unlink()
    if is_there:
        path.write_bytes(whole[: len(whole) // 2])
    compiled = program(network).compile(2, None)
    assert (isinstance(compiled.train, LoadedFunction), compiled.from_scratch) == (False, 1)
    was_read, found = trained(program(network), network)
    assert was_read
    assert are_equal(expected, found)


def test_an_executable_of_another_xla_is_compiled_again(directory: Path) -> None:
    network = traced()
    program(network).compile(1, None)
    (path,) = directory.glob("jit_train-*-cache")
    path.write_bytes(zlib.compress(b"0000" + b"machine code of the future"))
    (named,) = entries(directory)
    kept = KeptExecutables(named, named.name.removesuffix(SUFFIX))
    kept.write(entries_of(named))
    for is_known in (False, True):  # it is replaced
        compiled = program(network).compile(1, None)
        assert isinstance(compiled.train, LoadedFunction) == is_known


def test_an_executable_that_fails_is_not_found_again(directory: Path) -> None:
    network = traced()
    program(network).compile(1, None)
    loaded = program(network).compile(1, None).train
    with pytest.raises(TypeError, match="were compiled"):
        loaded(jax.numpy.zeros(3))
    assert entries(directory) == []


def test_what_runs_may_be_older_than_the_sources_on_disk(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is replaced under a process: what that keeps is for itself alone."""
    keys = set()
    for began in (time.time(), 0.0, 1.0):
        monkeypatch.setattr(psutil.Process, "create_time", lambda _, at=began: at)
        environment._sources.cache_clear()
        keys.add(environment._sources())
    environment._sources.cache_clear()
    assert len(keys) == 3


def test_a_file_that_cannot_be_written_is_no_error(directory: Path) -> None:
    network = traced()
    program(network).compile(1, None)
    (path,) = entries(directory)
    path.unlink()
    path.mkdir()  # in the way
    assert not isinstance(program(network).compile(1, None).train, LoadedFunction)


def test_of_writers_at_once_each_reader_finds_a_whole_file(directory: Path) -> None:
    network = traced()
    program(network).compile(1, None)
    (path,) = entries(directory)
    kept = KeptExecutables(path, path.name.removesuffix(SUFFIX))
    known = entries_of(path)

    def write() -> None:
        for _ in range(50):
            kept.write(known)

    writers = [Thread(target=write) for _ in range(2)]
    for thread in writers:
        thread.start()
    read = [isinstance(program(network).compile(1, None).train, LoadedFunction) for _ in range(3)]
    for thread in writers:
        thread.join()
    assert read == [True] * 3
    assert len(list(directory.glob(f"*{SUFFIX}*"))) == 1  # nothing partial is left


def twice(x: Any) -> Any:
    return 2 * x


class CallsBack(keras.layers.Layer):  # type: ignore[misc]
    """A layer that calls a function of this process."""

    def call(self, x: Any) -> Any:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        double = jax.custom_jvp(
            lambda v: jax.pure_callback(twice, shape, v, vmap_method="sequential")
        )
        double.defjvp(lambda primals, tangents: (double(*primals), 2 * tangents[0]))
        return double(x)


class Prints(keras.layers.Layer):  # type: ignore[misc]
    """A layer that prints a number."""

    def call(self, x: Any) -> Any:
        jax.debug.print("{x}", x=x.sum())
        return x


@pytest.mark.parametrize("layer", [CallsBack, Prints])
def test_a_program_that_calls_functions_of_the_process_is_not_kept(
    layer: type[keras.layers.Layer], directory: Path
) -> None:
    def calling() -> keras.Model:
        model = keras.Sequential([keras.Input((3,)), layer(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    network = traced(calling)
    text = "".join(str(part.code.body.jaxpr) for part in network.parts.values())
    assert "callback" in text or "debug_print" in text
    assert program_digest(program(network), 1, ()) == ""
    program(network).compile(1, None)
    assert entries(directory) == []


def lane_text(made: ArrayProgram, network: TracedModel) -> str:
    """A training step of two lanes, traced."""
    state = [np.zeros((2, *leaf.shape), leaf.dtype) for leaf in made.lane_leaves]
    constants = {name: np.stack([own, own]) for name, own in made.constants(network).items()}
    batch = jax.tree.leaves(network.feed.batch_spec("train"))
    axes = (0, 0, *(None for _ in batch))
    step = jax.vmap(lambda own, rows, *b: made.evaluate("train", [*own, *b], rows), axes)
    return str(jax.make_jaxpr(step)(state, constants, *batch))


MERGED = [row for row in TABLE if not row.alone]


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64 requested in asarray")  # Keras
@pytest.mark.parametrize("row", first_of(4, MERGED), ids=lambda row: row.kinds[:40])
def test_programs_for_several_sizes_are_found_whatever_network_came_first(
    row: Row, directory: Path
) -> None:
    one, (narrow, _) = merged(row, (8, 17))
    other, _ = merged(row, (17, 8))
    if one.structure.own_sizes == other.structure.own_sizes:
        pytest.skip("its width changes no size")
    digests, texts = (
        [of(made) for made in (one, other)]
        for of in (lambda made: made.part_digest("train"), lambda made: lane_text(made, narrow))
    )
    assert (digests[0] == digests[1]) == (texts[0] == texts[1])
    if program_digest(one, 2, ()) != program_digest(other, 2, ()):
        pytest.skip("which whole numbers are inputs depends on the first network")
    first, second = trained(one, narrow), trained(other, narrow)
    assert (first[0], second[0]) == (False, True)
    assert are_equal(first[1], second[1])


class Part(keras.layers.Layer):  # type: ignore[misc]
    """Some of the inputs, the same number of them wherever they begin."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def call(self, x: Any) -> Any:
        return x[:, self.start : self.start + 2]


def test_programs_for_several_sizes_differ_where_a_slice_begins() -> None:
    digests = set()
    for start in (0, 1):
        row = Row(
            "a slice",
            lambda rate, width=8, start=start: sliced(rate, width, start),
            X,
            X[:, :1],
        )
        made, _ = merged(row, (8, 17))
        digests.add(made.part_digest("train"))
    assert len(digests) == 2


def sliced(rate: float, width: int, start: int) -> keras.Model:
    hidden = keras.layers.Dense(width)
    model = keras.Sequential([keras.Input((3,)), Part(start), hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


STUDY = """
import json, sys
import numpy as np
import jax, keras
import paceline

lowered = []
def note(event, seconds, **more):
    if event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
        lowered.append(more.get("fun_name", ""))
jax.monitoring.register_event_duration_secs_listener(note)

def build(hp):
    units, rate = hp.Int("units", 2, 9), hp.Float("rate", 1e-3, 1e-1, sampling="log")
    hidden = keras.layers.Dense(units, hp.Choice("activation", ["relu", "tanh"]))
    model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss="mse")
    return model

x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
study = paceline.tune(
    build, (x, x.sum(1)), study=sys.argv[1], objective="val_loss", epochs=2, trials=5,
    seed=int(sys.argv[2]), search="random", display=False, final=False,
)
own = [name for name in lowered if "train" in name or "finish" in name]
print(json.dumps([len(own), [trial.score for trial in study.trials]]))
"""


def study(directory: Path, cache: str, seed: int) -> subprocess.Popen[str]:
    """Starts a study on one device."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
    environment["PACELINE_CACHE"] = str(directory / cache)
    (directory / cache).mkdir(exist_ok=True)
    lanes = Path(os.environ["PACELINE_CACHE"], "lanes.json").read_text()
    (directory / cache / "lanes.json").write_text(lanes)
    place = Path(mkdtemp(dir=directory), "study")
    command = [sys.executable, "-c", STUDY, str(place), str(seed)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)


def result(process: subprocess.Popen[str]) -> tuple[int, list[float]]:
    """How many functions of programs were lowered, and the scores."""
    out, _ = process.communicate()
    assert process.returncode == 0
    number, scores = json.loads(out.splitlines()[-1])
    return number, scores


@pytest.mark.exhaustive
def test_a_second_study_lowers_nothing_also_after_two_that_wrote_at_once(tmp_path: Path) -> None:
    at_once = [study(tmp_path, "shared", seed) for seed in (1, 1)]
    first, twin = map(result, at_once)
    assert first[0] > 0
    assert first[1] == twin[1]
    again = result(study(tmp_path, "shared", 20))
    alone = result(study(tmp_path, "empty", 20))
    assert (again[0], alone[0] > 0) == (0, True)
    assert again[1] == alone[1]
