"""The private names of Keras and JAX, each with its reason. Only `jax_cache` uses others.

- ``Model._symbolic_build``: metrics and losses create their variables on first use, which must
  happen before a trace. Without it a model needs ``fit``.
- ``Model._flatten_layers``: all layers, including nested ones and those of subclassed models.
  Without it a model needs ``fit``. Also methods that ``fit`` calls, to see whether a model
  overrides them.
- ``Model._clear_losses``: a layer identifies its ``add_loss`` tensors by their addresses and can
  keep those of an earlier trace. Python may place a tensor of another layer there, which then
  counts twice. Without it a model needs ``fit``.
- ``keras.src.backend.common.global_state``: Keras counts the names that it assigns, so that the
  tenth `AUC()` is ``auc_9``, and has no public way to save and restore the counters. Without it
  metrics have other names in each model. ``keras.src.utils.naming.to_snake_case`` gives the name
  under which a class is counted.
- ``keras.src.random.seed_generator.python_random``: Python's module `random`, from which Keras
  draws the seeds of layers, replaced while a network is built and trained, with `random.seed`.
  Without it threads that use the module change a network's weights.
- ``Primitive.get_bind_params``: binds an equation of a jaxpr again, as JAX's own evaluator does.
  Without it a model needs ``fit``.
- ``uniform``, ``normal`` and ``truncated_normal`` of ``keras.src.backend.random``, ``zeros`` and
  ``ones`` of ``keras.src.backend.numpy``, replaced while a model creates its variables: Keras
  compiles a program for each shape of weights, 0.3 s each. Without it builds are slower and give
  the same weights.
- ``source_info.name_stack`` of an equation: the layer that a message names. Without it messages
  name only the operation.
- ``get_opaque_trace_state`` of ``jax.extend.core``, before JAX 0.10 of ``jax._src.core``: whether
  something is being traced.
- Parameters of the equation of a scan, which have other names from JAX 0.11 on. Without them a
  model with a loop whose body has a varying constant needs ``fit``.
- ``Model._compile_config``: the arguments of ``compile``, to compile a model that wraps a network
  in the same way.
- XLA's options ``xla_backend_optimization_level`` and ``xla_cpu_use_fusion_emitters``: without them
  a program that computes little takes twice to five times as long to compile.
- ``_set_monitor_op`` and ``monitor_op`` of callbacks that monitor a metric: Keras decides in the
  first epoch whether less of it is better, from the metrics of the model, and a cohort has no
  model. It compares by ``keras.ops``, which compiles and runs programs. Without them such callbacks
  would have to be called by ``fit``.
- ``jaxlib.utils.absl_set_min_log_level``, with which JAX sets the log level of XLA. Without it XLA
  logs false alarms.

The tests in ``tests/train/test_train_internals.py`` fail if a version of Keras or JAX changes any.
"""

import contextlib
import functools
import inspect
import math
import random
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import jax
import keras
import numpy as np
import psutil
from jax.extend import core as jex
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from keras.src.utils import naming

_NAME_COUNTERS = "object_name_uids"
_SEED_GENERATOR = "global_seed_generator"
_NETWORK_KEYS = (_NAME_COUNTERS, "global_random_seed", _SEED_GENERATOR, "dtype_policy")

# public from JAX 0.10 on
_trace_state = getattr(jex, "get_opaque_trace_state", None) or jax._src.core.get_opaque_trace_state

Jaxpr = jex.Jaxpr
ClosedJaxpr = jex.ClosedJaxpr
Literal = jex.Literal
_TRANSFORMATIONS = {"jvp", "transpose", "vmap", "rematted_computation", "checkpoint"}
Equation = Any  # jax.extend.core.JaxprEqn: its fields are used, its type has no stubs


keras_lock = threading.RLock()
"""Lock for creating variables and for tracing in threads: Keras's functions are replaced then."""


def keras_globals() -> dict[str, Any]:
    """Keras's global state in this thread on which a network depends, without unset entries."""
    everything = vars(global_state.GLOBAL_STATE_TRACKER)
    return {name: everything[name] for name in _NETWORK_KEYS if name in everything}


def set_keras_globals(values: Mapping[str, Any]) -> None:
    """Restores the state returned by `keras_globals`."""
    everything = vars(global_state.GLOBAL_STATE_TRACKER)
    for name in _NETWORK_KEYS:
        everything.pop(name, None)
    everything.update(values)


def copy_keras_globals() -> None:
    """Copies what Keras changes in place; its global seed generator starts again from its seed."""
    values = keras_globals()
    counters = copy(values.get(_NAME_COUNTERS, defaultdict(int)))
    set_keras_globals({**values, _NAME_COUNTERS: counters})
    global_state.set_global_attribute(_SEED_GENERATOR, None)


def layer_counters() -> Mapping[str, int]:
    """Counts of the names of each class in this thread (layers, models, ...), without metrics."""
    classes = [keras.metrics.Metric]
    for metric in classes:
        classes += metric.__subclasses__()  # the list grows while it is iterated
    metrics = {naming.to_snake_case(metric.__name__) for metric in classes}
    counters = keras_globals().get(_NAME_COUNTERS, {})
    return {name: count for name, count in counters.items() if name not in metrics}


def set_name_counters(counters: Mapping[str, int]) -> None:
    """Sets Keras's name counters."""
    global_state.set_global_attribute(_NAME_COUNTERS, defaultdict(int, counters))


class _SeedsOfThread(threading.local):
    """Python's module `random`, as Keras uses it, with a generator of this thread's own if set."""

    own: random.Random | None = None

    def randint(self, low: int, high: int) -> int:
        return (self.own or random).randint(low, high)


_seeds = _SeedsOfThread()


def layer_seeds() -> random.Random | None:
    """The generator of the seeds of layers in this thread; None for Python's own."""
    return _seeds.own if seed_generator.python_random is _seeds else None


def set_layer_seeds(own: random.Random | None) -> None:
    """Sets the generator from which Keras draws the seeds of layers in this thread.

    Python's own is shared by all threads of the process, such as those of a pool or a tracker,
    whose draws would change the weights of a network that is built meanwhile.
    """
    _seeds.own = own
    seed_generator.python_random = random if own is None else _seeds
    random.seed = _seed_python if own is None else _seed_both


_seed_python = random.seed


def _seed_both(*args: Any, **kwargs: Any) -> None:
    """`random.seed`, also for layers: a ``build(hp)`` may seed Python's generator, or all."""
    _seed_python(*args, **kwargs)
    if _seeds.own is not None:
        _seeds.own.seed(*args, **kwargs)


def seed_all(seed: int) -> None:
    """Seeds all generators, also Keras's global one, which Keras before 3.13 does not reset."""
    keras.utils.set_random_seed(seed)
    global_state.set_global_attribute(_SEED_GENERATOR, None)


FIT_HOOKS = ("_make_function", "_get_jax_state", "_get_metrics_result_or_logs", "_should_eval")
"""Private methods of a model that ``fit`` calls."""


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model, including nested ones."""
    return list(model._flatten_layers())


def clear_losses(model: keras.Model) -> None:
    """Makes all layers forget the losses of earlier calls and traces."""
    model._clear_losses()


def symbolic_build(model: keras.Model, batch: tuple[Any, ...]) -> None:
    """Creates all variables that ``fit`` creates: of layers, metrics, losses and optimizer."""
    with fast_initialization():
        model._symbolic_build(data_batch=batch)


def set_monitor_op(callback: keras.callbacks.Callback, model: keras.Model) -> None:
    """Makes a callback that monitors a metric decide now whether less of it is better.

    Raises:
        ValueError: it cannot.
    """
    if getattr(callback, "monitor_op", True) is None:
        callback.set_model(model)
        callback._set_monitor_op()
        callback.set_model(None)


def compare_on_host(callback: keras.callbacks.Callback) -> None:
    """Makes a callback compare numbers as ``keras.ops`` does on JAX, but by NumPy."""
    known = {keras.ops.less: _less, keras.ops.greater: _greater}
    if callable(op := getattr(callback, "monitor_op", None)):
        callback.monitor_op = known.get(op, op)


def _less(a: float, b: float) -> bool:
    real = jax.dtypes.canonicalize_dtype(float)
    return bool(np.less(real.type(a), real.type(b)))


def _greater(a: float, b: float) -> bool:
    return _less(b, a)


QUICK_COMPILE_OPTIONS: Mapping[str, Any] = {
    "xla_backend_optimization_level": 1,
    "xla_cpu_use_fusion_emitters": False,
}
"""XLA options that optimise less for a CPU."""


def compile_with(lowered: jax.stages.Lowered, options: Mapping[str, Any]) -> jax.stages.Compiled:
    """Compiles with those of some XLA options that this XLA supports."""
    options = dict(options)
    while True:
        try:
            return lowered.compile(compiler_options=options or None)
        except jax.errors.JaxRuntimeError as error:
            unknown = [name for name in options if f"'{name}'" in str(error)]
            if "option" not in str(error) or not unknown:
                raise
            del options[unknown[0]]


def set_xla_log_level(level: int) -> None:
    """Sets the lowest level of messages that XLA logs: 1 for warnings, 3 for fatal errors."""
    with contextlib.suppress(ImportError, AttributeError):
        from jaxlib import utils

        utils.absl_set_min_log_level(level)


def scan_counts(params: Mapping[str, Any]) -> tuple[int, int]:
    """The number of constants of a scan's body, and the number of values carried."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    consts, carry, _ = params["ft_in"].unpack()  # from JAX 0.11 on
    return len(consts), len(carry)


def bind(equation: Equation, values: list[Any]) -> list[Any]:
    """Evaluates an equation of a jaxpr on ``values``, one for each of its inputs."""
    return bind_primitive(equation.primitive, equation.params, values)


def layer_of(equation: Equation) -> str:
    """The name of the Keras layer in which an equation was traced; empty if in none or unknown."""
    scopes = re.findall(r"[\w.-]+", str(getattr(equation.source_info, "name_stack", "")))
    return next((name for name in reversed(scopes) if name not in _TRANSFORMATIONS), "")


def bind_primitive(primitive: Any, params: Mapping[str, Any], values: Sequence[Any]) -> list[Any]:
    """Evaluates a primitive with the parameters of an equation."""
    made = primitive.get_bind_params(params)
    functions, params = made if isinstance(made, tuple) else ((), made)  # a pair before JAX 0.10
    outs = primitive.bind(*functions, *values, **params)
    return list(outs) if primitive.multiple_results else [outs]


_fast = threading.local()  # the state of tracing in which this thread entered `fast_initialization`


@contextlib.contextmanager
def fast_initialization() -> Iterator[None]:
    """A context in which Keras compiles no program per shape to draw or fill arrays.

    In this thread, outside traces. The CPU makes these arrays, also where there is a GPU, which
    would need a kernel and a transfer for each. They are not bound to it: what is computed with
    them runs on the default device.

    JAX's partitionable threefry makes element i of a draw a function of the key and i only, so a
    draw of n numbers is the start of a larger draw: numbers are drawn in a few fixed sizes and cut.
    Values, types and signatures are those of Keras's functions; JAX's own functions are not
    replaced.
    """
    if keras.backend.backend() != "jax" or not jax.config.jax_threefry_partitionable:  # type: ignore[attr-defined]
        yield
        return
    if getattr(_fast, "state", None) == _trace_state():  # entered already
        yield
        return
    with keras_lock, contextlib.ExitStack() as undo:
        undo.callback(setattr, _fast, "state", getattr(_fast, "state", None))
        _fast.state = _trace_state()
        for name in ("uniform", "normal", "truncated_normal"):
            undo.enter_context(_replaced(backend.random, name, _draw_in_fixed_sizes))
        undo.enter_context(_replaced(backend.numpy, "zeros", functools.partial(_fill, 0)))
        undo.enter_context(_replaced(backend.numpy, "ones", functools.partial(_fill, 1)))
        yield


def _on_cpu() -> contextlib.AbstractContextManager[object]:
    """A context in which arrays are made by the CPU, unless JAX was told to have none."""
    if jax.default_backend() == "cpu":
        return contextlib.nullcontext()
    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS names only others
        return contextlib.nullcontext()
    context: contextlib.AbstractContextManager[object] = jax.default_device(cpu)
    return context


@contextlib.contextmanager
def _replaced(module: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """Replaces a function of a module in the block, for this thread and this trace only."""
    original = getattr(module, name)
    wrapped, owner, outside = wrap(original), threading.get_ident(), _trace_state()

    @functools.wraps(original)
    def here(*args: Any, **kwargs: Any) -> Any:
        # other threads may trace programs for compilation, and what is traced here, such as a layer
        # called for its output shape, computes nothing yet
        replaced = threading.get_ident() == owner and _trace_state() == outside
        if not replaced:
            return original(*args, **kwargs)
        with _on_cpu():
            return wrapped(*args, **kwargs)

    setattr(module, name, here)
    try:
        yield
    finally:
        setattr(module, name, original)


_SMALL, _LARGE = 2**14, 2**26
_SURELY_FREE = 2**20  # bytes: asking how many are free takes longer than to fill so many


def _draw_in_fixed_sizes(original: Any) -> Any:
    """Wraps a function of Keras that draws ``shape`` numbers from one distribution."""
    signature = inspect.signature(original)

    def draw(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        shape = given["shape"]
        bounds = (given.get(name, 0.0) for name in ("minval", "maxval", "mean", "stddev"))
        if not _is_plain(shape) or not all(isinstance(bound, int | float) for bound in bounds):
            return original(*args, **kwargs)
        size = math.prod(shape)
        _check_memory(shape)
        if size > _LARGE:  # the excess would take memory, and compiling is quick beside the draw
            return original(*args, **kwargs)
        # powers of four: a handful of programs for all shapes, and one for all small layers; the
        # excess takes a fraction of a millisecond, or at most three times as long as the numbers
        drawn = _SMALL if size <= _SMALL else 4 ** math.ceil(math.log(size, 4))
        numbers = np.asarray(original(**{**given, "shape": (drawn,)}))[:size]
        return jax.device_put(numbers.reshape(shape).copy())  # a copy, to free the excess

    return draw


def _fill(value: int, original: Any) -> Any:
    """Wraps a function of Keras that fills an array of ``shape`` with a number."""
    signature = inspect.signature(original)

    def fill(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        dtype = keras.backend.standardize_dtype(given.get("dtype"))
        if not _is_plain(given["shape"]) or jax.dtypes.canonicalize_dtype(dtype) != dtype:
            return original(*args, **kwargs)
        _check_memory(given["shape"])
        return jax.device_put(np.full(given["shape"], value, dtype))

    return fill


def _check_memory(shape: Sequence[int]) -> None:
    """Checks that there is memory for weights: JAX ends the process where there is not.

    Raises:
        MemoryError: there is not.
    """
    num_bytes = 4 * math.prod(shape)
    if num_bytes > _SURELY_FREE and num_bytes > (free := psutil.virtual_memory().available):
        raise MemoryError(
            f"weights of shape {tuple(shape)} need {num_bytes / 2**30:.3g} GiB, and "
            f"{free / 2**30:.3g} GiB are free"
        )


def _is_plain(shape: Any) -> bool:
    return isinstance(shape, tuple | list) and all(
        type(length) is int and length >= 0 for length in shape
    )


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """The arguments with which a model was compiled, as the same objects."""
    return dict(model._compile_config.config)
