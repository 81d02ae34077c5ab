"""The names of Keras and JAX that are not public, each with why. Nothing else in Paceline may use
one.

- ``Model._symbolic_build``: metrics and losses create their variables on first use, which must
  happen before a trace. Without it a model runs alone.
- ``Model._flatten_layers``: all layers, those inside others and inside subclassed models too.
  Without it a model runs alone. And methods that ``fit`` calls, to see whether a model has one of
  its own.
- ``keras.src.backend.common.global_state``: Keras counts the names that it gives, so that the tenth
  `AUC()` is ``auc_9``, and there is no public way to put the counters aside. Without it metrics
  have other names in each model. ``keras.src.utils.naming.to_snake_case`` gives the name that a
  class is counted under.
- ``Primitive.get_bind_params``: re-binding an equation of a jaxpr, as JAX's own evaluator does.
  Without it likewise.
- ``uniform``, ``normal`` and ``truncated_normal`` of ``keras.src.backend.random``, ``zeros`` and
  ``ones`` of ``keras.src.backend.numpy``, replaced while a model makes its variables: Keras draws
  each initial weight with a program of its own shape, 0.3 s of compiling each. Without it builds
  are slower and give the same weights.
- ``get_opaque_trace_state`` of ``jax.extend.core``, before JAX 0.10 of ``jax._src.core``: tells
  whether something is being traced.
- Parameters of the equation of a scan, which have other names from JAX 0.11 on. Without them a
  model with a loop whose body holds a number that varies runs alone.
- ``Model._compile_config``: what ``compile`` was given, to compile the model that is handed out
  around a network alike.
- XLA's options ``xla_backend_optimization_level`` and ``xla_cpu_use_fusion_emitters``: without them
  a program that is seldom run takes five times as long to compile.
- ``jaxlib.utils.absl_set_min_log_level``, by which JAX sets what XLA logs. Without it XLA logs
  false alarms.

The tests in ``tests/train/test_train_internals.py`` fail when a version of Keras or JAX changes one
of them.
"""

import contextlib
import functools
import inspect
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any

import jax
import keras
import numpy as np
from jax.extend import core as jex
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.utils import naming

_NAME_COUNTERS = "object_name_uids"
_SEED_GENERATOR = "global_seed_generator"
_OF_A_NETWORK = (_NAME_COUNTERS, "global_random_seed", _SEED_GENERATOR, "dtype_policy")

# public from JAX 0.10 on
_trace_state = getattr(jex, "get_opaque_trace_state", None) or jax._src.core.get_opaque_trace_state

Jaxpr = jex.Jaxpr
ClosedJaxpr = jex.ClosedJaxpr
Literal = jex.Literal
Equation = Any  # jax.extend.core.JaxprEqn: its fields are used, its type has no stubs


one_at_a_time = threading.RLock()
"""Held by whoever makes variables, or traces in a thread of its own: Keras's functions are replaced
meanwhile.
"""


def keras_globals() -> dict[str, Any]:
    """What Keras keeps globally in this thread and a network depends on; what was never set is not
    in it.
    """
    everything = vars(global_state.GLOBAL_STATE_TRACKER)
    return {name: everything[name] for name in _OF_A_NETWORK if name in everything}


def set_keras_globals(values: Mapping[str, Any]) -> None:
    """Puts back what `keras_globals` gave."""
    everything = vars(global_state.GLOBAL_STATE_TRACKER)
    for name in _OF_A_NETWORK:
        everything.pop(name, None)
    everything.update(values)


def copy_keras_globals() -> None:
    """Puts copies in the place of what Keras changes in place; draws begin anew from its seed."""
    values = keras_globals()
    set_keras_globals(
        {**values, _NAME_COUNTERS: copy(values.get(_NAME_COUNTERS, defaultdict(int)))}
    )
    global_state.set_global_attribute(_SEED_GENERATOR, None)


def layer_counters() -> Mapping[str, int]:
    """How many layers, models, ... Keras has named after each class in this thread; metrics are
    left out.
    """
    classes = [keras.metrics.Metric]
    for metric in classes:
        classes += metric.__subclasses__()  # the list grows until all are in it
    metrics = {naming.to_snake_case(metric.__name__) for metric in classes}
    counters = keras_globals().get(_NAME_COUNTERS, {})
    return {name: count for name, count in counters.items() if name not in metrics}


def set_name_counters(counters: Mapping[str, int]) -> None:
    """Lets Keras go on counting from these."""
    global_state.set_global_attribute(_NAME_COUNTERS, defaultdict(int, counters))


def seed_all(seed: int) -> None:
    """Seeds all generators, Keras's own global one too, which Keras before 3.13 leaves as it is."""
    keras.utils.set_random_seed(seed)
    global_state.set_global_attribute(_SEED_GENERATOR, None)


HOOKS_OF_FIT = ("_make_function", "_get_jax_state", "_get_metrics_result_or_logs", "_should_eval")
"""What ``fit`` calls of a model besides its public methods."""


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model and those inside them, whatever it is made of."""
    return list(model._flatten_layers())


def symbolic_build(model: keras.Model, batch: tuple[Any, ...]) -> None:
    """Creates every variable that ``fit`` on such batches would create: of layers, metrics, losses,
    optimizer.
    """
    with economical_initialisation():
        model._symbolic_build(data_batch=batch)


QUICKLY: Mapping[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
}
"""What tells XLA not to optimise for a CPU."""


def compile_quickly(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compiles for a CPU without optimising, by those of `QUICKLY` that this version of XLA
    knows.
    """
    options = dict(QUICKLY)
    while True:
        try:
            return lowered.compile(compiler_options=options)
        except jax.errors.JaxRuntimeError as error:
            unknown = [name for name in options if f"'{name}'" in str(error)]
            if "option" not in str(error) or not unknown:
                raise
            del options[unknown[0]]


def set_log_level_of_xla(level: int) -> None:
    """Has XLA log messages of this level and above: 1 for warnings, 3 for what ends the process."""
    with contextlib.suppress(ImportError, AttributeError):
        from jaxlib import utils

        utils.absl_set_min_log_level(level)


def scan_counts(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many of a scan's inputs are constants of its body, and how many are carried from step to
    step.
    """
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    consts, carry, _ = params["ft_in"].unpack()  # from JAX 0.11 on
    return len(consts), len(carry)


def bind(equation: Equation, values: list[Any]) -> list[Any]:
    """Evaluates one equation of a jaxpr on ``values``, one for each of its inputs."""
    made = equation.primitive.get_bind_params(equation.params)
    functions, params = made if isinstance(made, tuple) else ((), made)  # a pair before JAX 0.10
    outs = equation.primitive.bind(*functions, *values, **params)
    return list(outs) if equation.primitive.multiple_results else [outs]


@contextlib.contextmanager
def economical_initialisation() -> Iterator[None]:
    """While it lasts, Keras compiles nothing to draw or fill an array of a new shape, in this
    thread, outside traces.

    JAX's partitionable threefry makes element i of a draw a function of the key and i alone, so a
    draw of n numbers is the beginning of a draw of more: numbers are drawn in a few fixed sizes and
    cut. Values, types and signatures are the very ones that Keras's functions have; JAX's own are
    left alone.
    """
    if keras.backend.backend() != "jax" or not jax.config.jax_threefry_partitionable:  # type: ignore[attr-defined]
        yield
        return
    with one_at_a_time, contextlib.ExitStack() as undo:
        for name in ("uniform", "normal", "truncated_normal"):
            undo.enter_context(_replaced(backend.random, name, _drawn_in_fixed_sizes))
        undo.enter_context(_replaced(backend.numpy, "zeros", functools.partial(_filled, 0)))
        undo.enter_context(_replaced(backend.numpy, "ones", functools.partial(_filled, 1)))
        yield


@contextlib.contextmanager
def _replaced(module: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    original = getattr(module, name)
    wrapped, owner, outside = wrap(original), threading.get_ident(), _trace_state()

    @functools.wraps(original)
    def here(*args: Any, **kwargs: Any) -> Any:
        # programs are traced for compilation in another thread meanwhile; and what is traced here,
        # such as a layer that Keras calls for the shape of its output, computes nothing yet
        replaced = threading.get_ident() == owner and _trace_state() == outside
        return (wrapped if replaced else original)(*args, **kwargs)

    setattr(module, name, here)
    try:
        yield
    finally:
        setattr(module, name, original)


_SMALL = 4096


def _drawn_in_fixed_sizes(original: Any) -> Any:
    """One of Keras's functions that draw ``shape`` numbers, all of one distribution."""
    signature = inspect.signature(original)

    def draw(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        shape = given["shape"]
        bounds = (given.get(name, 0.0) for name in ("minval", "maxval", "mean", "stddev"))
        if not _is_plain(shape) or not all(isinstance(bound, int | float) for bound in bounds):
            return original(*args, **kwargs)
        size = math.prod(shape)
        # two small sizes, then powers of four: a handful of programs for every shape there is; what
        # is drawn too much takes under a millisecond, or at most three times as long as what is
        # needed
        drawn = _SMALL if size <= _SMALL else max(16 * _SMALL, 4 ** math.ceil(math.log(size, 4)))
        numbers = np.asarray(original(**{**given, "shape": (drawn,)}))[:size]
        return jax.device_put(numbers.reshape(shape).copy())  # what was drawn too much is let go

    return draw


def _filled(value: int, original: Any) -> Any:
    """One of Keras's functions that make an array of ``shape`` out of one number."""
    signature = inspect.signature(original)

    def fill(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        dtype = keras.backend.standardize_dtype(given.get("dtype"))
        if not _is_plain(given["shape"]) or jax.dtypes.canonicalize_dtype(dtype) != dtype:
            return original(*args, **kwargs)
        return jax.device_put(np.full(given["shape"], value, dtype))

    return fill


def _is_plain(shape: Any) -> bool:
    return isinstance(shape, tuple | list) and all(
        type(length) is int and length >= 0 for length in shape
    )


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """What a model was compiled with: the very objects, so that a model around it can be compiled
    alike.
    """
    return dict(model._compile_config.config)
