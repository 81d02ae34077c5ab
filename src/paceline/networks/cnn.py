"""The convolutional network: blocks of convolution and pooling, then one dense layer."""

from collections.abc import Callable
from typing import Any

from paceline.networks.compiling import finish
from paceline.networks.shapes import SMALLEST_IMAGE, DataShape


def make(data: DataShape) -> Callable[[Any], Any]:
    """A build function for images; a missing channel axis is added."""
    # Each block halves the image; three blocks need at least 8 pixels.
    most_blocks = 3 if min(data.input[:2]) >= 2 * SMALLEST_IMAGE else 2

    def build(hp: Any) -> Any:
        """Compiles the network of one configuration."""
        import keras

        num_blocks = hp.Int("blocks", 1, most_blocks, default=2)
        filters = hp.Int("filters", 8, 32, step=2, sampling="log", default=16)
        kernel_size = hp.Choice("kernel_size", [3, 5])
        batch_norm = hp.Boolean("batch_norm", default=False)
        units = hp.Int("units", 32, 128, step=2, sampling="log", default=64)
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.2)
        l2 = hp.Float("l2", 1e-7, 1e-3, sampling="log", default=1e-6)
        layers: list[Any] = [keras.Input(data.input)]
        layers += (
            [keras.layers.Reshape((*data.input, 1), name="channel")] if len(data.input) == 2 else []
        )
        for number in range(1, num_blocks + 1):
            width = filters * 2 ** (number - 1)
            decay = keras.regularizers.L2(l2)
            layers.append(
                keras.layers.Conv2D(
                    width,
                    kernel_size,
                    padding="same",
                    kernel_regularizer=decay,
                    name=f"conv_{number}",
                )
            )
            layers += [keras.layers.BatchNormalization(name=f"norm_{number}")] if batch_norm else []
            layers.append(keras.layers.Activation("relu", name=f"relu_{number}"))
            layers.append(keras.layers.MaxPooling2D(2, name=f"pool_{number}"))
        layers.append(keras.layers.Flatten())
        decay = keras.regularizers.L2(l2)
        layers.append(
            keras.layers.Dense(units, activation="relu", kernel_regularizer=decay, name="hidden")
        )
        layers.append(keras.layers.Dropout(dropout, name="dropout"))
        return finish(hp, layers, data)

    return build
