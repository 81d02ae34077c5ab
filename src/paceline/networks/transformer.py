"""The transformer encoder for sequences (Vaswani et al. 2017), with normalization first."""

from collections.abc import Callable
from typing import Any

from paceline.networks.compiling import adamw, compiled, output
from paceline.networks.sequences import sequence_input
from paceline.networks.shapes import DataShape


def make(data: DataShape) -> Callable[[Any], Any]:
    """A build function for sequences, with a learned vector for each position in time."""

    def build(hp: Any) -> Any:
        """Compiles the network of one configuration."""
        import keras

        num_layers = hp.Int("layers", 1, 4, default=2)
        units = hp.Int("units", 32, 256, step=2, sampling="log", default=64)
        heads = hp.Choice("heads", [2, 4, 8], default=4)
        widening = hp.Choice("widening", [1, 2, 4], default=2)
        dropout = hp.Float("dropout", 0.0, 0.5, default=0.1)
        inputs, x = sequence_input(data, units)
        x = keras.layers.EinsumDense(
            "btf,fu->btu",
            (data.input[0], units),
            bias_axes="tu",  # a vector for each position
            bias_initializer=keras.initializers.RandomNormal(stddev=0.1),
            name="positions",
        )(x)
        for number in range(1, num_layers + 1):
            x = _attention(x, units, heads, dropout, f"attention_{number}")
            x = _feed_forward(x, units, widening * units, dropout, f"feed_forward_{number}")
        x = keras.layers.LayerNormalization(name="norm")(x)
        x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
        x = keras.layers.Dropout(dropout, name="dropout")(x)
        model = keras.Model(inputs, output(data)(x))
        return compiled(model, adamw(hp, clip=1.0), data)

    return build


def _attention(x: Any, units: int, heads: int, dropout: float, name: str) -> Any:
    import keras

    normed = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    # a bias of the keys changes nothing
    found = keras.layers.MultiHeadAttention(
        heads, units // heads, dropout=dropout, use_bias=False, name=name
    )(normed, normed)
    found = keras.layers.Dropout(dropout, name=f"{name}_dropout")(found)
    return keras.layers.Add(name=f"{name}_sum")([x, found])


def _feed_forward(x: Any, units: int, width: int, dropout: float, name: str) -> Any:
    import keras

    found = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    found = keras.layers.Dense(width, activation="gelu", name=f"{name}_wide")(found)
    found = keras.layers.Dense(units, name=name)(found)
    found = keras.layers.Dropout(dropout, name=f"{name}_dropout")(found)
    return keras.layers.Add(name=f"{name}_sum")([x, found])
