"""Residual networks.

``v1``: He et al., "Deep residual learning for image recognition" (2016); ``v2``: He et al.,
"Identity mappings in deep residual networks" (2016); ``next``: Xie et al., "Aggregated residual
transformations for deep neural networks" (2017), with 32 groups.
"""

from typing import Any

from paceline.compat.keras_tuner.applications.images import ConvolutionalModel, pooled
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters

_GROUPS = 32
_EPSILON = 1.001e-5


class HyperResNet(ConvolutionalModel):
    """A residual network.

    The arguments are those of `ConvolutionalModel`.
    """

    def build(self, hp: HyperParameters) -> Any:
        """The network; its targets are one-hot."""
        import keras
        from keras import layers

        version = hp.Choice("version", ["v1", "v2", "next"], default="v2")
        depths = (3, hp.Choice("conv3_depth", [4, 8]), hp.Choice("conv4_depth", [6, 23, 36]), 3)
        inputs, x = self.inputs()
        x = layers.ZeroPadding2D(3)(x)
        x = layers.Conv2D(64, 7, strides=2, use_bias=version != "next", name="conv1_conv")(x)
        if version != "v2":
            x = _relu(_normalized(x))
        x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(layers.ZeroPadding2D(1)(x))
        widths = (128, 256, 512, 1024) if version == "next" else (64, 128, 256, 512)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            x = _stage(version, x, width, depth, stage)
        if version == "v2":
            x = _relu(_normalized(x))
        x = pooled(x, hp.Choice("pooling", ["avg", "max"], default="avg"))
        if not self.include_top:
            return keras.Model(inputs, x, name="ResNet")
        x = layers.Dense(self.classes, activation="softmax", name="probs")(x)
        model = keras.Model(inputs, x, name="ResNet")
        name = hp.Choice("optimizer", ["adam", "rmsprop", "sgd"], default="adam")
        optimizer = keras.optimizers.get(name)
        optimizer.learning_rate = hp.Choice("learning_rate", [0.1, 0.01, 0.001], default=0.01)
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        return model


def _stage(version: str, x: Any, width: int, depth: int, stage: int) -> Any:
    """Several blocks of one width, one of which halves the image, but in one of the stages.

    The first block of a stage halves it, in v2 the last one.
    """
    halves = stage < 3 if version == "v2" else stage > 0
    place = depth - 1 if version == "v2" else 0
    for number in range(depth):
        stride = 2 if halves and number == place else 1
        if version == "v2":
            x = _block_before(x, width, stride, is_first=number == 0)
        else:
            x = _block_after(x, width, stride, number == 0, _GROUPS if version == "next" else 1)
    return x


def _block_after(x: Any, width: int, stride: int, is_first: bool, groups: int) -> Any:
    """A bottleneck with activations after the convolutions."""
    from keras import layers

    out, has_bias = (2 if groups > 1 else 4) * width, groups == 1
    shortcut = x
    if is_first:
        shortcut = _normalized(layers.Conv2D(out, 1, strides=stride, use_bias=has_bias)(x))
    first = 1 if groups > 1 else stride
    x = _relu(_normalized(layers.Conv2D(width, 1, strides=first, use_bias=has_bias)(x)))
    second = stride if groups > 1 else 1
    convolved = layers.Conv2D(
        width, 3, strides=second, padding="same", groups=groups, use_bias=has_bias
    )(x)
    x = _relu(_normalized(convolved))
    x = _normalized(layers.Conv2D(out, 1, use_bias=has_bias)(x))
    return _relu(layers.Add()([shortcut, x]))


def _block_before(x: Any, width: int, stride: int, is_first: bool) -> Any:
    """A bottleneck with activations before the convolutions."""
    from keras import layers

    active = _relu(_normalized(x))
    if is_first:
        shortcut = layers.Conv2D(4 * width, 1, strides=stride)(active)
    else:
        shortcut = layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = _relu(_normalized(layers.Conv2D(width, 1, use_bias=False)(active)))
    x = layers.ZeroPadding2D(1)(x)
    x = _relu(_normalized(layers.Conv2D(width, 3, strides=stride, use_bias=False)(x)))
    return layers.Add()([shortcut, layers.Conv2D(4 * width, 1)(x)])


def _normalized(x: Any) -> Any:
    import keras

    axis = 3 if keras.backend.image_data_format() == "channels_last" else 1
    return keras.layers.BatchNormalization(axis=axis, epsilon=_EPSILON)(x)


def _relu(x: Any) -> Any:
    from keras import layers

    return layers.Activation("relu")(x)
