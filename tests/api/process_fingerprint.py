"""Run as a program: what each call of Paceline leaves behind in its process, as one JSON object."""

import gc
import importlib
import json
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

Y = np.arange(96) % 8
X = 3.0 * np.eye(8)[Y]
STARTED_ONCE = "resource_tracker"  # multiprocessing's own helper process, one for each process


def fingerprint() -> dict[str, Any]:
    """Global state, by a name of each part, in a form that can be compared."""
    process = psutil.Process()
    root = logging.getLogger()
    known = [root, *(x for x in root.manager.loggerDict.values() if isinstance(x, logging.Logger))]
    parts: dict[str, Any] = {
        "random": random.getstate(),
        "numpy.random": np.random.get_state(),
        "numpy": (np.geterr(), np.get_printoptions()),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.get_debug()),
        "gc callbacks": gc.callbacks,
        "environment": dict(os.environ),
        "directory": Path.cwd(),
        "sys.path": sys.path,
        "import hooks": (sys.path_hooks, sys.meta_path),
        "warnings": (warnings.filters, warnings.showwarning),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "signal mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        # a null handler is what a library gives its logger when it is imported
        "logging": {
            x.name: (x.level, own, x.propagate)
            for x in known
            if (own := [one for one in x.handlers if not isinstance(one, logging.NullHandler)])
        },
        "levels": {x.name: x.level for x in known if x.level},
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "tracing": (sys.gettrace(), sys.getprofile(), sys.getrecursionlimit()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "processes": [
            child.pid
            for child in process.children(recursive=True)
            if STARTED_ONCE not in " ".join(child.cmdline())
        ],
        "files": sorted(file.path for file in process.open_files()),
    }
    if "keras" in sys.modules:
        parts |= _of_keras()
    return {name: repr(value) for name, value in parts.items()}


def _of_keras() -> dict[str, Any]:
    import jax
    import keras
    from jax._src import monitoring
    from keras.src.backend.common import global_state

    draws = keras.src.random.seed_generator.global_seed_generator().state
    counters = global_state.get_global_attribute("object_name_uids")
    config = keras.config
    return {
        "JAX's configuration": dict(jax.config.values),
        "JAX's listeners": (
            monitoring.get_event_listeners(),
            monitoring.get_event_duration_listeners(),
        ),
        "Keras's seeds": np.asarray(draws),
        "Keras's names": dict(counters or {}),
        "Keras's configuration": (
            (config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy()),
            (config.is_traceback_filtering_enabled(), config.is_interactive_logging_enabled()),
        ),
        "custom objects": sorted(keras.saving.get_custom_objects()),
    }


def build(hp: Any) -> Any:
    """A tiny network; careless about global state."""
    import keras

    np.random.seed(7)
    random.seed(7)
    keras.utils.set_random_seed(7)
    keras.config.set_epsilon(1e-6)
    os.chdir("/")
    warnings.simplefilter("ignore")
    model = keras.Sequential([keras.Input((8,))])
    model.add(keras.layers.Dense(8, activation="softmax"))
    rate = hp.Choice(
        "rate", [1e-9, 1e-2, 1e-1]
    )  # the default is no good: there is something to ablate
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def build_or_fail(hp: Any) -> Any:
    """A network that can be built in some trials only."""
    if hp.Boolean("broken", default=False):
        raise ValueError("broken")
    return build(hp)


def build_another_space(hp: Any) -> Any:
    """Does not fit a study of `build`."""
    hp.Float("other", 0, 1)
    return build(hp)


def objective(hp: Any) -> float:
    """A function; careless as well."""
    os.chdir("/")
    warnings.simplefilter("ignore")
    return float(hp.Float("x", 0, 1)) + random.random() + np.random.rand()


def failing(hp: Any) -> float:
    """A function that always fails."""
    raise ValueError(hp.Float("x", 0, 1))


def interrupted(hp: Any) -> float:
    """A function that gets Ctrl+C."""
    if hp.Float("x", 0, 1) != 0:
        os.kill(os.getpid(), signal.SIGINT)
    return 1.0


FILE = """
import random
import os
import helper
random.random()

def objective(hp):
    return hp.Float("x", 0, helper.HIGH)
"""


def calls(base: Path) -> dict[str, Callable[[], object]]:
    """What is called, by the name of each."""
    import paceline

    (base / "user_file.py").write_text(FILE)
    (base / "helper.py").write_text("HIGH = 2.0")
    of_function: dict[str, Any] = {"objective": "max", "display": False}
    of_network: dict[str, Any] = {
        "display": False,
        "objective": "val_accuracy",
        "epochs": 1,
        "batch_size": 128,
    }
    first = base / "first"
    return {
        "a first study": lambda: paceline.tune(
            build, (X, Y), trials=2, final=False, seed=0, study=first, **of_network
        ),
        "best_model": lambda: paceline.load_study(first).best_model(),
        "best_model built anew": lambda: paceline.load_study(first).best_model(build),
        "resume": lambda: paceline.resume(first, build, (X, Y), trials=3, display=False),
        "finish": lambda: paceline.finish(first, build, (X, Y), display=False),
        "ablate": lambda: paceline.ablate(first, build, (X, Y), pairs=2, display=False),
        "resume of another space": lambda: paceline.resume(
            first, build_another_space, (X, Y), trials=9, display=False
        ),
        "networks of which one fails": lambda: paceline.tune(
            build_or_fail,
            (X, Y),
            trials=2,
            final=False,
            start_with=[{"broken": True}],
            **of_network,
        ),
        "a function": lambda: paceline.tune(objective, trials=2, **of_function),
        "a function in processes": lambda: paceline.tune(
            objective, trials=2, workers=2, **of_function
        ),
        "a function in a file": lambda: paceline.tune(
            f"{base / 'user_file.py'}:objective", trials=2, **of_function
        ),
        "a function that fails": lambda: paceline.tune(failing, trials=2, **of_function),
        "Ctrl+C": lambda: paceline.tune(interrupted, trials=9, search="random", **of_function),
        "what cannot be": lambda: paceline.tune(objective, trials=-1, **of_function),
    }


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[str]]:
    return {name: [before[name], after[name]] for name in before if before[name] != after[name]}


def import_libraries() -> None:
    """What libraries do as they are imported is theirs, and stays as long as they are loaded."""
    os.environ["KERAS_BACKEND"] = "jax"
    libraries = (
        *("keras", "jax", "pandas", "plotly.graph_objects", "pooch", "requests", "rich.live"),
        *("scipy.optimize", "scipy.stats", "sklearn.datasets", "sklearn.ensemble", "sqlalchemy"),
    )
    for name in libraries:
        importlib.import_module(name)


def main() -> None:
    """Prints what changed and what was raised, by call."""
    import_libraries()

    base, found = Path(sys.argv[1]), {}
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(1)
    keras.layers.Dense(1)
    keras.random.uniform((1,))
    for name, call in calls(base).items():
        before, raised = fingerprint(), ""
        try:
            call()
        except BaseException as error:  # an interruption is none of Exception
            raised = type(error).__name__
        found[name] = [raised, _changes(before, fingerprint())]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
