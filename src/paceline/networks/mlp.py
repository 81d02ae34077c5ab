"""The multi-layer perceptron: one to three layers of the same width."""

from collections.abc import Callable
from typing import Any

from paceline.networks.compiling import finish
from paceline.networks.shapes import DataShape


def make(data: DataShape) -> Callable[[Any], Any]:
    """A build function for the data; images are flattened."""

    def build(hp: Any) -> Any:
        """Compiles the network of one configuration."""
        import keras

        num_layers = hp.Int("layers", 1, 3, default=2)
        units = hp.Int("units", 32, 256, step=2, sampling="log", default=128)
        activation = hp.Choice("activation", ["relu", "tanh", "gelu"])
        batch_norm = hp.Boolean("batch_norm", default=False)
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.1)
        l2 = hp.Float("l2", 1e-7, 1e-3, sampling="log", default=1e-6)
        layers: list[Any] = [keras.Input(data.input)]
        layers += [keras.layers.Flatten()] if len(data.input) > 1 else []
        for number in range(1, num_layers + 1):
            decay = keras.regularizers.L2(l2)
            layers.append(
                keras.layers.Dense(units, kernel_regularizer=decay, name=f"hidden_{number}")
            )
            layers += [keras.layers.BatchNormalization(name=f"norm_{number}")] if batch_norm else []
            layers.append(keras.layers.Activation(activation, name=f"{activation}_{number}"))
            layers.append(keras.layers.Dropout(dropout, name=f"dropout_{number}"))
        return finish(hp, layers, data)

    return build
