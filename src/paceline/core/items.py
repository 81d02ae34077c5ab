"""JSON form of mappings with tuple keys: a list of (key, value) pairs, as JSON keys are strings."""

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class AsItems:
    """Marks such a mapping: ``Annotated[Mapping[tuple[int, int], float], AsItems()]``."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """How Pydantic reads and writes it."""
        items = core_schema.plain_serializer_function_ser_schema(
            lambda mapping: list(mapping.items())
        )
        return core_schema.no_info_before_validator_function(
            _mapping, handler(source), serialization=items
        )


def _mapping(items: Any) -> Any:
    return {tuple(key): value for key, value in items} if isinstance(items, list) else items
