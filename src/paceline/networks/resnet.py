"""The residual network for images (He et al. 2016): stages of blocks with shortcuts."""

import math
from collections.abc import Callable
from typing import Any

from paceline.networks.compiling import adamw, compiled, output
from paceline.networks.shapes import SMALLEST_IMAGE, DataShape

# Keras's 0.99 takes some hundred batches to forget the initial statistics, which is more than an
# epoch of a small data set.
_MOMENTUM = 0.9


def make(data: DataShape) -> Callable[[Any], Any]:
    """A build function for images; a missing channel axis is added.

    The first stage has the size of the image, each further one half of it and twice the filters.
    """
    most_stages = min(3, 1 + int(math.log2(min(data.input[:2]) / SMALLEST_IMAGE)))

    def build(hp: Any) -> Any:
        """Compiles the network of one configuration."""
        import keras

        num_stages = hp.Int("stages", 1, most_stages, default=most_stages)
        num_blocks = hp.Int("blocks", 1, 3, default=1)
        filters = hp.Int("filters", 8, 64, step=2, sampling="log", default=16)
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.1)
        x = inputs = keras.Input(data.input)
        if len(data.input) == 2:
            x = keras.layers.Reshape((*data.input, 1), name="channel")(x)
        x = _convolution(x, filters, 3, 1, "stem")
        x = keras.layers.Activation("relu", name="stem_relu")(x)
        for stage in range(num_stages):
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = _block(x, filters * 2**stage, stride, f"block_{stage + 1}_{block + 1}")
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dropout(dropout, name="dropout")(x)
        return compiled(keras.Model(inputs, output(data)(x)), adamw(hp), data)

    return build


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    """Two convolutions beside a shortcut, which is a convolution of size 1 where shapes differ."""
    import keras

    shortcut = x
    if stride > 1:
        shortcut = _convolution(x, filters, 1, stride, f"{name}_shortcut")
    x = _convolution(x, filters, 3, stride, f"{name}_a")
    x = keras.layers.Activation("relu", name=f"{name}_a_relu")(x)
    x = _convolution(x, filters, 3, 1, f"{name}_b")
    x = keras.layers.Add(name=f"{name}_sum")([shortcut, x])
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)


def _convolution(x: Any, filters: int, size: int, stride: int, name: str) -> Any:
    """A convolution without bias and a batch normalization."""
    import keras

    x = keras.layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_norm")(x)
