"""The base class of callbacks, and the view of a study that they get."""

from paceline.study.hooks.callback import Callback, CallbackWarning
from paceline.study.hooks.dispatch import Callbacks
from paceline.study.hooks.view import StudyView

__all__ = ["Callback", "CallbackWarning", "Callbacks", "StudyView"]
