"""The common part of hypermodels for images: their inputs."""

from typing import Any

from paceline.compat.keras_tuner.engine.hypermodel import HyperModel
from paceline.core import InvalidInput


class ImageModel(HyperModel):
    """A hypermodel of images.

    Args:
        input_shape: of an image, such as ``(256, 256, 3)``; or
        input_tensor: a tensor of Keras that has the images.
        classes: how many; None where there is no output layer.
        needs_classes: whether there is an output layer.
        **kwargs: see `HyperModel`.

    Raises:
        InvalidInput: neither shape nor tensor, or no number of classes where it is needed.
    """

    def __init__(
        self,
        input_shape: Any = None,
        input_tensor: Any = None,
        classes: int | None = None,
        needs_classes: bool = True,
        **kwargs: Any,
    ) -> None:
        if needs_classes and not classes:
            raise InvalidInput("classes is missing", expected="the number of classes")
        if input_shape is None and input_tensor is None:
            raise InvalidInput(
                "neither input_shape nor input_tensor is given; you must specify one of them",
                expected="such as input_shape=(32, 32, 3)",
            )
        self.input_shape, self.input_tensor, self.classes = input_shape, input_tensor, classes
        super().__init__(**kwargs)

    def inputs(self) -> tuple[Any, Any]:
        """The inputs of the model, and the images."""
        import keras

        if self.input_tensor is None:
            images = keras.Input(shape=self.input_shape)
            return images, images
        return keras.utils.get_source_inputs(self.input_tensor), self.input_tensor


class ConvolutionalModel(ImageModel):
    """A hypermodel of images whose output layer may be left out.

    Args:
        include_top: whether there is an output layer; the model is compiled then.
        input_shape, input_tensor, classes, **kwargs: see `ImageModel`.
    """

    def __init__(
        self,
        include_top: bool = True,
        input_shape: Any = None,
        input_tensor: Any = None,
        classes: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.include_top = include_top
        super().__init__(input_shape, input_tensor, classes, include_top, **kwargs)


def pooled(x: Any, pooling: str) -> Any:
    """Features of images as vectors: ``"avg"``, ``"max"`` or ``"flatten"``."""
    from keras import layers

    if pooling == "flatten":
        return layers.Flatten()(x)
    if pooling == "max":
        return layers.GlobalMaxPooling2D(name="max_pool")(x)
    return layers.GlobalAveragePooling2D(name="avg_pool")(x)
