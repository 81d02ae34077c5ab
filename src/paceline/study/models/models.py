"""Makes Keras models from a trial and its variables.

``best.keras``, the return values of `Study.best_model` and `Study.model` and the models that are
tested all come from `Models.of`. It needs no data, so a study can return its models where the data
are not available.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paceline.core import Trial
from paceline.core.events import Json
from paceline.execute.base import Leaves
from paceline.settings.description import Settings
from paceline.space import HyperParameters, Space
from paceline.study.inputs.model_inputs import Build, about_model, build_for_target


@dataclass(frozen=True, eq=False)
class Models:
    """Makes a study's models.

    Attributes:
        build: the user's build function.
        space: the search space.
        batch: shapes and types of training batches, as recorded; None if not recorded.
        batch_size: rows of a batch, if the configuration has no ``batch_size``.
        preparation: preparation of the data, as recorded; None if not recorded.
        validation_batch_size: rows of a validation batch; None for as many as in a training batch.
    """

    build: Build
    space: Space
    batch: Json | None
    batch_size: int
    preparation: Json | None = None
    validation_batch_size: int | None = None

    @classmethod
    def described(
        cls, build: Build, space: Space, data: Mapping[str, Json], settings: Settings
    ) -> "Models":
        """Makes it from a study's description of its data, and its settings."""
        training = settings.training
        batch_size, validation = training.batch_size or 32, training.validation_batch_size
        return cls(build, space, data.get("batch"), batch_size, data.get("preparation"), validation)

    def of(self, trial: Trial, leaves: Leaves) -> Any:
        """A trial's trained model, compiled, as users get it.

        Raises:
            InvalidInput: ``build`` returns another network than the one that was trained.
        """
        return self.hand_out(self.network(trial, leaves))

    def named(self, trial: Trial, leaves: Leaves) -> Any:
        """As `of`, with a name of its own, so that models of several trials can be combined."""
        model = self.of(trial, leaves)
        model.name = f"{model.name}_trial_{trial.number}"
        return model

    def rows_of_batch(self, trial: Trial) -> int:
        """Rows of a batch of the trial's training."""
        return int(trial.config.get("batch_size", self.batch_size))

    def rows_of_evaluation(self, trial: Trial) -> int:
        """Rows of a batch in validation, needed to measure the trial's score again."""
        return self.validation_batch_size or self.rows_of_batch(trial)

    def hand_out(self, network: Any) -> Any:
        """The model that users get for a trained network: it takes their own rows and targets."""
        if self.preparation is None or self.batch is None or not self.preparation["in_model"]:
            return network
        from paceline.data.preparation import from_json
        from paceline.study.models.preprocessing import with_preparation
        from paceline.train import batch_spec

        form = batch_spec.from_json(self.batch, self.batch_size)[0]
        return with_preparation(network, from_json(self.preparation["inputs"]), form)

    @property
    def about(self) -> dict[str, Json] | None:
        """Describes the inputs and outputs of a model; None if nothing is recorded about them."""
        return None if self.preparation is None else about_model(self.preparation)

    def network(self, trial: Trial, leaves: Leaves) -> Any:
        """The Keras model that ``build`` returns for a trial, with these variables."""
        from paceline.train.batch_spec import from_json
        from paceline.train.build import build_model
        from paceline.train.finalization import finalize
        from paceline.train.variables import restore

        batch = None if self.batch is None else from_json(self.batch, self.rows_of_batch(trial))
        hp = HyperParameters(self.space, trial.config)
        build = build_for_target(self.build, self.preparation)
        network = build_model(build, hp, trial.seed, None if batch is None else lambda: batch)
        restore(network, leaves, batch)
        finalize(network)
        return network
