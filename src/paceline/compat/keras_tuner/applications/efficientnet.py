"""EfficientNet (Tan and Le, "EfficientNet: rethinking model scaling", 2019)."""

from typing import Any

from paceline.compat.keras_tuner.applications.images import ImageModel, pooled
from paceline.compat.keras_tuner.engine.hypermodel import HyperModel
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.core import InvalidInput, shown

_SIZES = {
    "B0": 224,
    "B1": 240,
    "B2": 260,
    "B3": 300,
    "B4": 380,
    "B5": 456,
    "B6": 528,
    "B7": 600,
}
"""The side of the images that each version was trained on."""


class HyperEfficientNet(ImageModel):
    """A network of ``keras.applications``, pretrained on ImageNet, with an output layer.

    Where its weights cannot be downloaded, it starts from random ones, with a warning.

    Args:
        input_shape, input_tensor, classes, **kwargs: see `ImageModel`.
        augmentation_model: a model or a `HyperModel` that comes before; None for none.

    Raises:
        InvalidInput: ``augmentation_model`` is something else.
    """

    def __init__(
        self,
        input_shape: Any = None,
        input_tensor: Any = None,
        classes: int | None = None,
        augmentation_model: Any = None,
        **kwargs: Any,
    ) -> None:
        is_model = isinstance(augmentation_model, HyperModel) or callable(augmentation_model)
        if augmentation_model is not None and not is_model:
            raise InvalidInput(
                f"augmentation_model is {shown(augmentation_model)}",
                expected="a Keras model or a HyperModel",
            )
        self.augmentation_model = augmentation_model
        super().__init__(input_shape, input_tensor, classes, **kwargs)

    def build(self, hp: HyperParameters) -> Any:
        """The network; its targets are one-hot."""
        import keras
        from keras import layers

        inputs, x = self.inputs()
        before = self.augmentation_model
        if before is not None:
            x = (before.build(hp) if isinstance(before, HyperModel) else before)(x)
        version = hp.Choice("version", list(_SIZES), default="B0")
        x = layers.Resizing(_SIZES[version], _SIZES[version], interpolation="bilinear")(x)
        x = _pretrained(version, x).output
        x = pooled(x, hp.Choice("pooling", ["avg", "max"], default="avg"))
        rate = hp.Float("top_dropout_rate", 0.2, 0.8, step=0.2, default=0.2)
        x = layers.Dropout(rate, name="top_dropout")(x)
        x = layers.Dense(self.classes, activation="softmax", name="probs")(x)
        model = keras.Model(inputs, x, name="EfficientNet")
        self._compile(model, hp)
        return model

    def _compile(self, model: Any, hp: HyperParameters) -> None:
        """Compiles the model; a subclass may do it in another way."""
        import keras

        rate = hp.Choice("learning_rate", [0.1, 0.01, 0.001], default=0.01)
        optimizer = keras.optimizers.SGD(rate, momentum=0.1)
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])


def _pretrained(version: str, x: Any) -> Any:
    import keras

    make = getattr(keras.applications, f"EfficientNet{version}")
    try:
        return make(include_top=False, input_tensor=x)
    except Exception as error:  # the download raises errors of several kinds
        warn_once(
            "imagenet",
            f"The weights of EfficientNet{version} could not be loaded ({error}), so it starts "
            "from random ones. Connect to the internet once, to download them.",
        )
        return make(include_top=False, input_tensor=x, weights=None)
