"""Executors that are described by settings of a study, so that it finds them again."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from paceline.settings.execution import ExecutionSettings


class ConfiguredExecutor:
    """The base of executors whose arguments are settings; a subclass is a frozen dataclass.

    Attributes:
        name: the name by which users ask for it.
        fields: the settings that are its arguments.
    """

    __slots__ = ()
    name: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            InvalidInput: one that cannot be used.
        """
        ExecutionSettings().updated({name: getattr(self, name) for name in self.fields})

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of a study that have the same effect."""
        return {"executor": self.name, **{name: getattr(self, name) for name in self.fields}}

    @classmethod
    def of(cls, settings: ExecutionSettings) -> Self:
        """The executor of a study with these settings."""
        return cls(**{name: getattr(settings, name) for name in cls.fields})
