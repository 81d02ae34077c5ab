"""Why the trials of a search do not train together."""

_SLOW = "Trials train one by one, and not together as one compiled model"


class RunsAlone(Exception):
    """The trials of a search have to run one by one.

    Args:
        reason: why, as a sentence without full stop.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason.rstrip(".")
        super().__init__(self.reason)

    @property
    def message(self) -> str:
        """For the user."""
        return f"{_SLOW}: {self.reason}."
