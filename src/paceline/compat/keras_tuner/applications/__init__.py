"""Hypermodels for images."""

from paceline.compat.keras_tuner.applications.augment import HyperImageAugment
from paceline.compat.keras_tuner.applications.efficientnet import HyperEfficientNet
from paceline.compat.keras_tuner.applications.resnet import HyperResNet
from paceline.compat.keras_tuner.applications.xception import HyperXception

__all__ = ["HyperEfficientNet", "HyperImageAugment", "HyperResNet", "HyperXception"]
