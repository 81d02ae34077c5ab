"""Augmentation of images, after RandAugment (Cubuk et al. 2020)."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from paceline.compat.keras_tuner.applications.images import ImageModel
from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.core import InvalidInput, shown


class HyperImageAugment(ImageModel):
    """Transforms images at random, while a network trains.

    Args:
        input_shape, input_tensor, **kwargs: see `ImageModel`.
        rotate: the largest rotation, as a share of a whole turn, or a range of these; None for no
            rotation.
        translate_x, translate_y: the largest translation, as a share of the image, likewise.
        contrast: the largest change of contrast, likewise.
        augment_layers: how many transformations, each of a random kind, are applied at most, or a
            range; 0 to apply each kind once, with a strength of its own.

    Raises:
        InvalidInput: not such numbers or ranges.
    """

    def __init__(
        self,
        input_shape: Any = None,
        input_tensor: Any = None,
        rotate: Any = 0.5,
        translate_x: Any = 0.4,
        translate_y: Any = 0.4,
        contrast: Any = 0.3,
        augment_layers: Any = 3,
        **kwargs: Any,
    ) -> None:
        given = {
            "rotate": rotate,
            "translate_x": translate_x,
            "translate_y": translate_y,
            "contrast": contrast,
        }
        self.transforms = [(name, _range(name, one)) for name, one in given.items() if one]
        self.num_layers = None
        if augment_layers:
            self.num_layers = _range("augment_layers", augment_layers)
            if not all(isinstance(one, int) for one in self.num_layers):
                raise InvalidInput(
                    f"augment_layers is {shown(augment_layers)}; it must be int",
                    expected="a whole number, or two",
                )
        super().__init__(input_shape, input_tensor, needs_classes=False, **kwargs)

    def build(self, hp: HyperParameters) -> Any:
        """A model from images to images; it is not compiled."""
        import keras

        inputs, x = self.inputs()
        if self.num_layers is None:
            for name, (low, high) in self.transforms:
                factor = hp.Float(f"factor_{name}", low, high, step=0.05, default=low)
                x = x if factor == 0 else _transform(name, factor)(x)
            return keras.Model(inputs, x, name="image_augment")
        low, high = self.num_layers
        for _ in range(hp.Int("augment_layers", low, high, default=low)):
            factors = {
                name: hp.Float(f"factor_{name}", start, end, default=start)
                for name, (start, end) in self.transforms
            }
            x = _random_layer()(factors)(x)
        return keras.Model(inputs, x, name="image_rand_augment")


def _range(name: str, given: Any) -> tuple[Any, Any]:
    """The range of an argument; a single number is its end."""
    found = tuple(given) if isinstance(given, Sequence) else (0, given)
    if len(found) != 2:
        raise InvalidInput(
            f"{name} is {shown(given)}; its length must not exceed 2", expected="one or two numbers"
        )
    if not all(isinstance(one, int | float) for one in found):
        raise InvalidInput(
            f"{name} is {shown(given)}; it must be int or float", expected="one or two numbers"
        )
    return found


def _transform(name: str, factor: float) -> Any:
    """A layer of Keras that transforms images with a strength."""
    from keras import layers

    if name == "translate_x":
        return layers.RandomTranslation(0, factor)
    if name == "translate_y":
        return layers.RandomTranslation(factor, 0)
    if name == "rotate":
        return layers.RandomRotation(factor)
    return layers.RandomContrast(factor)


@cache
def _random_layer() -> Any:
    """A class of layers that apply to each image one transformation, chosen at random."""
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable(package="paceline")
    class RandomTransform(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, factors: dict[str, float], **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factors = dict(factors)
            self.kinds = [
                (number, _transform(name, factor))
                for number, (name, factor) in enumerate(factors.items())
                if factor
            ]
            self.transforms = [layer for _, layer in self.kinds]
            self.seeds = keras.random.SeedGenerator()

        def build(self, shape: Any) -> None:
            """Builds the transformations."""
            for layer in self.transforms:
                layer.build(shape)

        def call(self, images: Any, training: bool = False) -> Any:
            """The images, each transformed in one way."""
            if not training:
                return images
            shape = (ops.shape(images)[0], 1, 1, 1)
            chosen = keras.random.uniform(shape, 0, len(self.factors), seed=self.seeds)
            found = images
            for number, layer in self.kinds:
                is_chosen = ops.floor(chosen) == number
                found = ops.where(is_chosen, layer(images, training=True), found)
            return found

        def compute_output_shape(self, shape: Any) -> Any:
            """That of the images."""
            return shape

        def get_config(self) -> dict[str, Any]:
            """The strengths."""
            return {**super().get_config(), "factors": dict(self.factors)}

    return RandomTransform
