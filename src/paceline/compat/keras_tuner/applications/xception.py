"""Xception (Chollet, "Xception: deep learning with depthwise separable convolutions", 2017)."""

from typing import Any

from paceline.compat.keras_tuner.applications.images import ConvolutionalModel, pooled
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters


class HyperXception(ConvolutionalModel):
    """A network of separable convolutions with shortcuts.

    The arguments are those of `ConvolutionalModel`.
    """

    def build(self, hp: HyperParameters) -> Any:
        """The network; its targets are one-hot."""
        import keras

        activation = hp.Choice("activation", ["relu", "selu"])
        inputs, x = self.inputs()
        filters = hp.Choice("conv2d_num_filters", [32, 64, 128], default=64)
        size, stride = hp.Choice("kernel_size", [3, 5]), hp.Choice("initial_strides", [2])
        x = _activated(keras.layers.Conv2D, activation, filters, size, strides=stride)(x)
        filters = hp.Int("sep_num_filters", 128, 768, step=128, default=256)
        for _ in range(hp.Int("num_residual_blocks", 2, 8, default=4)):
            x = _block(x, filters, activation, halves=False)
        x = _block(x, 2 * filters, activation, halves=True)
        x = pooled(x, hp.Choice("pooling", ["avg", "flatten", "max"]))
        if not self.include_top:
            return keras.Model(inputs, x, name="Xception")
        count = hp.Int("num_dense_layers", 1, 3)
        rate = hp.Float("dropout_rate", 0.0, 0.6, step=0.1, default=0.5)
        is_normalized = hp.Choice("dense_use_bn", [True, False])
        for _ in range(count):
            x = keras.layers.Dense(self.classes, activation=activation)(x)
            if is_normalized and activation == "relu":
                x = keras.layers.BatchNormalization()(x)
            x = keras.layers.Dropout(rate)(x) if rate else x
        x = keras.layers.Dense(self.classes, activation="softmax")(x)
        model = keras.Model(inputs, x, name="Xception")
        optimizer = keras.optimizers.Adam(hp.Choice("learning_rate", [1e-3, 1e-4, 1e-5]))
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        return model


def _activated(layer: Any, activation: str, *args: Any, **kwargs: Any) -> Any:
    """A convolution with its activation; with batch normalization between for ReLU."""
    from keras import Sequential, layers

    if activation == "selu":
        return layer(*args, padding="same", activation="selu", **kwargs)
    return Sequential(
        [
            layer(*args, padding="same", use_bias=False, **kwargs),
            layers.BatchNormalization(),
            layers.Activation("relu"),
        ]
    )


def _block(x: Any, filters: int, activation: str, halves: bool) -> Any:
    """Two separable convolutions and a shortcut; ``halves`` the size of the image."""
    from keras import layers

    shortcut = x
    if halves or filters != x.shape[-1]:
        stride = 2 if halves else 1
        shortcut = layers.Conv2D(filters, 1, strides=stride, padding="same")(x)
    for _ in range(2):
        x = _activated(layers.SeparableConv2D, activation, filters, 3)(x)
    if halves:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    return layers.add([x, shortcut])
