"""What a callback is, and what it sees of a study."""

from paceline.study.hooks.callback import Callback, CallbackWarning
from paceline.study.hooks.dispatch import Callbacks
from paceline.study.hooks.view import StudyView

__all__ = ["Callback", "CallbackWarning", "Callbacks", "StudyView"]
