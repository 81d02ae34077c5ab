"""Kinds of layers, optimizers, losses, metrics and data that a cohort must train as `fit` does.

Each row trains several independent kinds at once. Its model is built from one number, used for
several hyperparameters, so that lanes differ in more than the learning rate. Layers before a batch
norm and in attention have no bias: the gradient of such a bias, or of that of the keys, is only
rounding error, which Adam and similar optimizers turn into full steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import keras
import numpy as np
from keras import layers, losses, metrics, ops, optimizers, regularizers

from paceline.testing.same_answer import Gap, SameAnswer

RNG = np.random.default_rng(0)
ROWS, HELD_OUT, SIZE = 44, 20, 16  # batches of 16, 16 and 12 rows, and of 16 and 4
ALL = ROWS + HELD_OUT
WIDTHS = (3, 8, 17, 32)
EVEN = 32  # of them to train on gives two full batches to train on, and two to validate on
X = RNG.normal(size=(ALL, 6)).astype("float32")
SEQUENCES = RNG.normal(size=(ALL, 3, 3)).astype("float32")
WORDS = np.sort(RNG.integers(0, 5, (ALL, 3)), axis=1)[:, ::-1].astype("int32")  # zeros at the end
IMAGES = RNG.uniform(size=(ALL, 6, 6, 2)).astype("float32")
VIDEOS = RNG.normal(size=(ALL, 2, 4, 4, 2)).astype("float32")
CLASSES = RNG.integers(0, 3, ALL).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
NUMBERS = X[:, :1] + 0.1 * RNG.normal(size=(ALL, 1)).astype("float32")
SPARSE = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Row:
    """A model.

    Attributes:
        kinds: the kinds that it contains, separated by commas.
        build: returns the compiled model for a number (0.1 and 0.05) and, optionally, the number of
            units, filters, ...
        x, y, weights: the rows, those held out last.
        size: the magnitude of its losses, with which rounding errors grow.
        alone: part of the reason why it needs ``fit``; empty if it trains in a cohort.
        is_half: whether sums are rounded to half precision, so that their order matters.
        odd: whether the tests use a smaller last batch, as the benchmark does for all: each needs
            another program.
    """

    kinds: str
    build: Callable[..., keras.Model]
    x: Any = None
    y: Any = None
    weights: Any = None
    size: float = 1.0
    alone: str = ""
    is_half: bool = False
    odd: bool = False

    @property
    def names(self) -> list[str]:
        return self.kinds.split(", ")

    def gap(self, odd: bool = True) -> Gap:
        """The difference after two epochs, for a lane other than that of the trace."""
        return self._compare(odd, [1])(self.build, _configs((0.1, 0.05), (WIDTHS[1],) * 2))[0]

    def gap_beside_other_widths(self) -> Gap:
        """The same for a network in a program for several widths."""
        configs = _configs((0.1, 0.05, 0.07, 0.1), WIDTHS)
        return self._compare(self.odd, [1])(self.build, configs)[0]

    def merged_gaps(self) -> list[Gap]:
        """The differences of networks of several widths in one program.

        Raises:
            ValueError: they do not share a program.
        """
        return self._compare(True, None)(self.build, _configs((0.01, 0.02, 0.015, 0.01), WIDTHS))

    def _compare(self, odd: bool, checked: Sequence[int] | None) -> SameAnswer:
        count = ROWS if odd else EVEN
        data = [d for d in (self.x, self.y, self.weights) if d is not None]
        train = tuple(jax.tree.map(lambda a: a[:count], data))
        held_out = tuple(jax.tree.map(lambda a: a[count:], data))
        return SameAnswer(train, held_out, batch_size=SIZE, epochs=2, checked=checked)


def _configs(rates: Sequence[float], widths: Sequence[int]) -> list[dict[str, Any]]:
    pairs = zip(rates, widths, strict=True)
    return [{"rate": rate, "width": width} for rate, width in pairs]


def network(
    optimizer: Any,
    loss: Any,
    *hidden: Any,
    units: int = 3,
    activation: str | None = "softmax",
    **options: Any,
) -> keras.Model:
    model = keras.Sequential([*hidden, layers.Dense(units, activation)])
    model.compile(optimizer, loss, **options)
    return model


class Averaged(optimizers.SGD):  # type: ignore[misc]
    """Replaces the weights by the mean of all weights during training."""

    def build(self, variables: Any) -> None:
        if not self.built:
            super().build(variables)
            self.sums = [self.add_variable_from_reference(v, "sum") for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        self.assign_add(self.sums[self._get_variable_index(variable)], variable)

    def finalize_variable_values(self, var_list: Any) -> None:
        for variable, total in zip(var_list, self.sums, strict=True):
            variable.assign(total / ops.cast(self.iterations, "float32"))


@jax.custom_jvp
def steep(x: Any) -> Any:
    return jax.numpy.tanh(x)


steep.defjvp(lambda primals, tangents: (steep(*primals), 0.5 * tangents[0]))


@keras.saving.register_keras_serializable("paceline-tests")
class Constants(layers.Layer):  # type: ignore[misc]
    """A constant inside the bodies of loops and branches, where it becomes an operand."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        x = ops.while_loop(lambda i, c: i < 3, lambda i, c: (i + 1, c + self.factor), (0, x))[1]
        x = ops.scan(lambda c, _: (ops.tanh(c * self.factor), None), x, length=3)[0]
        x = ops.cond(ops.sum(x) > 0, lambda: x * self.factor, lambda: x - self.factor)
        x = ops.fori_loop(0, 2, lambda i, c: c + self.factor, x)
        x = ops.switch(1, [lambda c: c, lambda c: c * self.factor], x)
        x = jax.checkpoint(lambda c: ops.map(lambda one: one + self.factor, c))(x)
        return steep(x * self.factor)


class OwnLoss(keras.Model):  # type: ignore[misc]
    """A custom loss and training step, with a log that is not a metric, and `add_loss`."""

    def __init__(self, gain: float, width: int) -> None:
        super().__init__()
        self.hidden = layers.Dense(width, activity_regularizer=regularizers.L1(gain / 10))
        self.dense, self.gain = layers.Dense(1), gain

    def build(self, input_shape: Any) -> None:
        self.hidden.build(input_shape)
        self.dense.build((None, self.hidden.units))

    def call(self, x: Any) -> Any:
        found = self.dense(self.hidden(x))
        self.add_loss(self.gain * ops.mean(ops.square(found)))
        return found

    def compute_loss(self, *values: Any, **options: Any) -> Any:
        return super().compute_loss(*values, **options) * self.gain

    def train_step(self, state: Any, data: Any) -> Any:
        logs, state = super().train_step(state, data)
        return {**logs, "doubled": 2 * logs["loss"]}, state


def own_loss(rate: float, width: int = 8) -> keras.Model:
    model = OwnLoss(10 * rate, width)
    model.build((None, 6))
    model.compile(optimizers.SGD(rate), "mse")
    return model


class LowLevel(keras.Model):  # type: ignore[misc]
    """A custom training and test step in JAX, with metrics."""

    def __init__(self, gain: float, width: int) -> None:
        super().__init__()
        self.hidden, self.dense, self.gain = layers.Dense(width), layers.Dense(1), gain
        self.tracked, self.off = metrics.Mean("loss"), metrics.MeanAbsoluteError("off")

    @property
    def metrics(self) -> list[Any]:
        return [self.tracked, self.off]

    def call(self, x: Any, training: bool = False) -> Any:
        return self.dense(self.hidden(x))

    def loss_of(self, weights: Any, others: Any, x: Any, y: Any, training: bool) -> Any:
        found, others = self.stateless_call(weights, others, x, training=training)
        return self.gain * ops.mean(ops.square(y - found)), (found, others)

    def measured(self, variables: Any, loss: Any, y: Any, found: Any) -> Any:
        num = len(self.tracked.variables)
        tracked = self.tracked.stateless_update_state(variables[:num], loss)
        off = self.off.stateless_update_state(variables[num:], y, found)
        logs = {
            "loss": self.tracked.stateless_result(tracked),
            "off": self.off.stateless_result(off),
        }
        return logs, [*tracked, *off]

    def train_step(self, state: Any, data: Any) -> Any:
        weights, others, slots, measures = state
        (x, y), slope = data, jax.value_and_grad(self.loss_of, has_aux=True)
        (loss, (found, others)), gradients = slope(weights, others, x, y, True)
        weights, slots = self.optimizer.stateless_apply(slots, gradients, weights)
        logs, measures = self.measured(measures, loss, y, found)
        return logs, (weights, others, slots, measures)

    def test_step(self, state: Any, data: Any) -> Any:
        (weights, others, measures), (x, y) = state, data
        loss, (found, others) = self.loss_of(weights, others, x, y, training=False)
        logs, measures = self.measured(measures, loss, y, found)
        return logs, (weights, others, measures)


def low_level(rate: float, width: int = 8) -> keras.Model:
    model = LowLevel(10 * rate, width)
    model.compile(optimizers.SGD(rate))
    return model


LOSSES = {
    "poisson": "softplus",
    "hinge": "tanh",
    "binary_focal_crossentropy": "sigmoid",
    "mean_squared_logarithmic_error": "softplus",
}


def many_outputs(rate: float, width: int = 8) -> keras.Model:
    """Two inputs, a shared encoder, a nested model, and a head for each loss."""
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    encoder = keras.Sequential([layers.Dense(width, "tanh"), layers.Dense(width)], name="encoder")
    penalty = regularizers.L1L2(rate / 10, rate / 10)
    tied = layers.Dense(width, "tanh", kernel_regularizer=penalty)
    x = tied(tied(layers.Multiply()([encoder(a), encoder(b)])))
    heads = {name: layers.Dense(1, activation, name=name)(x) for name, activation in LOSSES.items()}
    model = keras.Model({"a": a, "b": b}, heads)
    model.compile(
        optimizers.Nadam(rate / 10),
        {name: name for name in LOSSES},
        loss_weights={name: rate * (1 + n) for n, name in enumerate(LOSSES)},
        weighted_metrics={"hinge": ["mae"]},
    )
    return model


def attention(rate: float, width: int = 8) -> keras.Model:
    x = inputs = keras.Input((3, 4))
    x = (
        layers.MultiHeadAttention(2 + width // 16, width, dropout=rate, use_bias=False)(
            x, x, use_causal_mask=True
        )
        + x
    )
    x = layers.LayerNormalization(epsilon=rate / 100)(x)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(x)))
    model.compile(optimizers.Muon(rate / 10, ns_steps=2), SPARSE, metrics=["accuracy"])
    return model


def adapted(rate: float, width: int = 8) -> keras.Model:
    frozen, low_rank, small = (
        layers.BatchNormalization(trainable=False),
        layers.Dense(width),
        layers.Dense(width),
    )
    model = keras.Sequential(
        [
            keras.Input((6,)),
            frozen,
            low_rank,
            layers.LeakyReLU(negative_slope=rate),
            small,
            layers.Dense(3, "softmax"),
        ]
    )
    low_rank.enable_lora(2)
    small.quantize("int8")
    model.compile(optimizers.Adam(optimizers.schedules.ExponentialDecay(rate, 3, 0.9)), SPARSE)
    return model


def connectionist(rate: float, width: int = 8) -> keras.Model:
    model = keras.Sequential(
        [
            layers.Conv1D(width, 2, padding="causal"),
            layers.TimeDistributed(layers.Dense(width, "selu")),
            layers.Dense(4),
        ]
    )
    schedule = optimizers.schedules.PiecewiseConstantDecay([3], [rate, rate / 2])
    model.compile(optimizers.RMSprop(schedule, centered=True), "ctc")
    return model


TABLE = [
    Row(
        "SGD with nesterov momentum, batch norm, 2D convolution, max pooling, average pooling, "
        "dropout, top-k, gelu",
        lambda rate, width=8: network(
            optimizers.SGD(rate, momentum=1 - rate, nesterov=True),
            SPARSE,
            layers.Conv2D(width, 3, use_bias=False),
            layers.BatchNormalization(momentum=1 - rate),
            layers.Activation("gelu"),
            layers.MaxPooling2D(),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(rate),
            metrics=[metrics.SparseTopKCategoricalAccuracy(2)],
        ),
        IMAGES,
        CLASSES,
        odd=True,
    ),
    Row(
        "transposed convolution, separable convolution, depthwise convolution, grouped "
        "convolution, "
        "dilated convolution, strides, channels first, upsampling, cropping, zero padding, global "
        "max pooling",
        lambda rate, width=8: network(
            optimizers.SGD(rate),
            SPARSE,
            layers.Conv2D(2 * width, 3, padding="same", groups=2),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2DTranspose(width, 2, strides=2),
            layers.ZeroPadding2D(1),
            layers.Cropping2D(2),
            layers.SeparableConv2D(width, 3, dilation_rate=2),
            layers.UpSampling2D(2),
            layers.Permute((3, 1, 2)),
            layers.Conv2D(width, 3, strides=2, data_format="channels_first"),
            layers.GlobalMaxPooling2D("channels_first"),
        ),
        IMAGES,
        CLASSES,
    ),
    Row(
        "3D convolution, ConvLSTM, 3D average pooling",
        lambda rate, width=8: network(
            optimizers.SGD(rate, clipnorm=rate),
            SPARSE,
            layers.ConvLSTM2D(width, 2, return_sequences=True),
            layers.Conv3D(width, 2),
            layers.GlobalAveragePooling3D(),
        ),
        VIDEOS,
        CLASSES,
    ),
    Row(
        "random flip, random contrast, random erasing, resizing, rescaling, spatial dropout",
        lambda rate, width=8: network(
            optimizers.SGD(rate),
            SPARSE,
            layers.Rescaling(1 / 255),
            layers.RandomFlip(),
            layers.RandomContrast(0.3, value_range=(0, 1)),
            layers.RandomErasing(0.5, value_range=(0, 1)),
            layers.Resizing(4, 4),
            layers.Conv2D(width, 1),
            layers.SpatialDropout2D(0.3),
            layers.Flatten(),
        ),
        (255 * IMAGES).astype("uint8"),
        CLASSES,
    ),
    Row(
        "Adamax, no input shape, AUC, F1, IoU, precision, float64 inputs",
        lambda rate, width=8: network(
            optimizers.Adamax(rate),
            "categorical_crossentropy",
            layers.Dense(width, "tanh"),
            metrics=[
                metrics.AUC(),
                metrics.F1Score("macro"),
                metrics.OneHotMeanIoU(3),
                metrics.Precision(),
            ],
        ),
        X.astype("float64"),
        ONE_HOT,
    ),
    Row(
        "averaged weights",
        lambda rate, width=8: network(
            optimizers.SGD(rate, use_ema=True, ema_momentum=0.9), SPARSE, layers.Dense(width)
        ),
        X,
        CLASSES,
    ),
    Row(
        "averaged weights written back",
        lambda rate, width=8: network(
            optimizers.Adam(rate, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2),
            SPARSE,
            layers.Dense(width, "tanh"),
        ),
        X,
        CLASSES,
    ),
    Row(
        "an optimizer that averages by itself",
        lambda rate, width=8: network(Averaged(rate), SPARSE, layers.Dense(width)),
        X,
        CLASSES,
    ),
    Row(
        "loss scaling, mixed float16",
        lambda rate, width=8: network(
            optimizers.LossScaleOptimizer(optimizers.SGD(rate, use_ema=True), initial_scale=8.0),
            SPARSE,
            layers.Dense(width, "relu", dtype="mixed_float16"),
        ),
        X,
        CLASSES,
    ),
    Row(
        "bfloat16, mixed bfloat16, float16",
        lambda rate, width=8: network(
            optimizers.SGD(rate),
            SPARSE,
            layers.Dense(width, "relu", dtype="mixed_bfloat16"),
            layers.Dense(width, "relu", dtype="bfloat16"),
            layers.Dense(width, "relu", dtype="float16"),
        ),
        X,
        CLASSES,
        is_half=True,
    ),
    Row(
        "a sum as loss, elu",
        lambda rate, width=8: network(
            optimizers.SGD(rate / 20),
            losses.SparseCategoricalCrossentropy(reduction="sum"),
            layers.Dense(width, "elu"),
        ),
        X,
        CLASSES,
        size=50,
        odd=True,
    ),
    Row(
        "Adagrad, ignored labels, sample weights",
        lambda rate, width=8: network(
            optimizers.Adagrad(rate),
            losses.SparseCategoricalCrossentropy(ignore_class=0),
            layers.Dense(width),
        ),
        X,
        CLASSES,
        np.linspace(0.1, 2, ALL, dtype="float32"),
        odd=True,
    ),
    Row(
        "RMSprop, GRU, recurrent dropout, masking",
        lambda rate, width=8: network(
            optimizers.RMSprop(rate),
            SPARSE,
            layers.Masking(),
            layers.GRU(width, dropout=0.3, recurrent_dropout=rate, unroll=True),
        ),
        SEQUENCES[:, :2],
        CLASSES,
    ),
    Row(
        "AdamW, masked embedding, bidirectional LSTM, int32 inputs",
        lambda rate, width=8: network(
            optimizers.AdamW(rate, weight_decay=rate / 10),
            SPARSE,
            layers.Embedding(5, width, mask_zero=True),
            layers.Bidirectional(
                layers.LSTM(width, recurrent_regularizer=regularizers.L2(rate / 10))
            ),
        ),
        WORDS,
        CLASSES,
    ),
    Row(
        "Muon, multi-head attention, causal mask, layer norm",
        attention,
        np.concatenate([SEQUENCES, SEQUENCES[:, :, :1]], axis=2),
        CLASSES,
    ),
    Row(
        "Lion, label smoothing, Gaussian noise, group norm, unit norm, spectral norm",
        lambda rate, width=8: network(
            optimizers.Lion(rate / 10),
            losses.CategoricalCrossentropy(label_smoothing=rate),
            layers.GaussianNoise(rate),
            layers.SpectralNormalization(layers.Dense(2 * width, "tanh")),
            layers.GroupNormalization(2),
            layers.UnitNormalization(),
        ),
        X,
        ONE_HOT,
    ),
    Row(
        "Huber, values clipped, targets of one dimension",
        lambda rate, width=8: network(
            optimizers.SGD(rate, clipvalue=rate),
            "huber",
            layers.Dense(width),
            units=1,
            activation=None,
        ),
        X,
        NUMBERS[:, 0],
    ),
    Row(
        "Adafactor, RMS norm, mean absolute error",
        lambda rate, width=8: network(
            optimizers.Adafactor(rate),
            "mae",
            layers.Dense(width),
            layers.RMSNormalization(),
            units=1,
            activation=None,
        ),
        X,
        NUMBERS,
    ),
    Row(
        "Adadelta, accumulated gradients, bool targets",
        lambda rate, width=8: network(
            optimizers.Adadelta(rate, gradient_accumulation_steps=2),
            "binary_crossentropy",
            layers.Dense(width),
            units=1,
            activation="sigmoid",
            metrics=["accuracy"],
        ),
        X,
        NUMBERS > 0,
    ),
    Row(
        "Ftrl, clipped by the global norm, log cosh, while loop, scan, cond, fori loop, switch, "
        "map, remat, custom jvp",
        lambda rate, width=8: network(
            optimizers.Ftrl(rate, global_clipnorm=0.5),
            "log_cosh",
            Constants(8 * rate),
            layers.Dense(width, "mish"),
            units=1,
            activation=None,
        ),
        X,
        NUMBERS,
    ),
    Row(
        "amsgrad, cosine decay, KL divergence, swish, alpha dropout, Gaussian dropout",
        lambda rate, width=8: network(
            optimizers.Adam(optimizers.schedules.CosineDecay(rate, 9), amsgrad=True),
            "kl_divergence",
            layers.Dense(width, "swish"),
            layers.AlphaDropout(0.1),
            layers.GaussianDropout(0.1),
        ),
        X,
        ONE_HOT,
    ),
    Row(
        "subclassed model, own train step, own compute loss, add loss, activity regularizer",
        own_loss,
        X,
        NUMBERS,
        odd=True,
    ),
    Row(
        "low-level train step, low-level test step, metrics of its own",
        low_level,
        X,
        NUMBERS,
        odd=True,
    ),
    Row(
        "several inputs, several outputs, siamese, nested, tied layers, Nadam, loss weights, L1 "
        "and L2, " + ", ".join(LOSSES),
        many_outputs,
        {"a": X, "b": X[::-1].copy()},
        {name: NUMBERS - NUMBERS.min() for name in LOSSES},
    ),
    Row("Adam, exponential decay, LoRA, int8, frozen batch norm, leaky ReLU", adapted, X, CLASSES),
    Row(
        "CTC, causal convolution, time distributed, piecewise constant decay, selu, centered "
        "RMSprop",
        connectionist,
        SEQUENCES,
        np.stack([CLASSES, CLASSES[::-1]], axis=1) % 3 + 1,
        size=10,
    ),
    Row(
        "not compiled",
        lambda rate, width=8: network(
            optimizers.SGD(rate, use_ema=True), SPARSE, layers.Dense(width), jit_compile=False
        ),
        X,
        CLASSES,
        alone="jit_compile=False",
    ),
]
