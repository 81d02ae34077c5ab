"""The recurrent network for sequences: LSTM layers (Hochreiter and Schmidhuber 1997)."""

from collections.abc import Callable
from typing import Any

from paceline.networks.compiling import adamw, compiled, output
from paceline.networks.sequences import sequence_input
from paceline.networks.shapes import DataShape


def make(data: DataShape) -> Callable[[Any], Any]:
    """A build function for sequences; the last layer's last step leads to the outputs."""

    def build(hp: Any) -> Any:
        """Compiles the network of one configuration."""
        import keras

        num_layers = hp.Int("layers", 1, 3, default=1)
        units = hp.Int("units", 16, 256, step=2, sampling="log", default=64)
        both_ways = hp.Boolean("bidirectional", default=True)
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.2)
        inputs, x = sequence_input(data, units, masked=True)
        for number in range(1, num_layers + 1):
            layer = keras.layers.LSTM(
                units, return_sequences=number < num_layers, name=f"lstm_{number}"
            )
            if both_ways:
                layer = keras.layers.Bidirectional(layer, name=f"both_ways_{number}")
            x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(layer(x))
        model = keras.Model(inputs, output(data)(x))
        return compiled(model, adamw(hp, rate=3e-3, clip=1.0), data)

    return build
