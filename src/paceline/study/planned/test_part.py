"""The test part of a study's data: a model's metrics and its prediction for each row."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paceline.data import Split
from paceline.data.trees import take
from paceline.study.inputs.stream_parts import StreamParts
from paceline.study.planned.test_predictions import write_tested


@dataclass(frozen=True, eq=False)
class TestPart:
    """The data on which a study's final model is measured, once.

    Attributes:
        parts: the study's data.
        is_raw: whether the model takes the user's own rows, rather than prepared ones.
    """

    parts: Split | StreamParts
    is_raw: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no test part."""
        return (
            self.parts.test if isinstance(self.parts, StreamParts) else self.parts.x_test
        ) is None

    def measure(self, model: Any, batch_size: int) -> dict[str, float]:
        """Measures the model; returns its numeric metrics by name, none without a test part.

        They are those of ``evaluate`` with ``batch_size``; in larger batches where that makes no
        difference.
        """
        from paceline.train.isolation import global_state_of
        from paceline.train.trace import evaluation_batch_size

        if self.is_empty:
            return {}
        with global_state_of(model):
            if isinstance(self.parts, StreamParts):
                metrics = self.parts.evaluate(model)
            else:
                x, y = self._x_test(self.parts), self.parts.y_test
                rows = evaluation_batch_size(model, (x, y), batch_size)
                metrics = model.evaluate(x, y, batch_size=rows, verbose=0, return_dict=True)
        scalar = {
            name: value
            for name, value in metrics.items()
            if not hasattr(value, "shape") or value.shape == ()
        }
        return {name: float(value) for name, value in scalar.items()}

    def keep_predictions(self, model: Any, directory: Path) -> None:
        """Stores the model's predictions for each row with the study, for the report."""
        from paceline.train.isolation import global_state_of

        if isinstance(self.parts, Split) and not self.is_empty:
            dataset = self.parts.dataset
            with global_state_of(model):
                write_tested(
                    directory,
                    model,
                    self._x_test(self.parts),
                    self.parts.y_test,
                    dataset.task,
                    dataset.class_names,
                )

    def sample(self, rows: int) -> tuple[Any, Any]:
        """Returns ``(x, y)`` of the first training rows, as a finished model takes them."""
        if isinstance(self.parts, StreamParts):
            batch = next(iter(self.parts.feed.first_batches.values()))
            x, y, *_ = (*batch, None)
            return x, y
        first = np.arange(min(rows, len(self.parts.train_rows)))
        rows_of_all = self.parts.train_rows[first]
        x = (
            take(self.parts.dataset.x, rows_of_all)
            if self.is_raw
            else take(self.parts.x_train, first)
        )
        return x, take(self.parts.y_train, first)

    def _x_test(self, parts: Split) -> Any:
        return parts.dataset.x_test if self.is_raw else parts.x_test
