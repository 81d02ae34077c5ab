"""Makes Keras models from a trial and its variables.

What becomes ``best.keras``, what `Study.best_model` and `Study.model` return and what meets the
test part is one and
the same: `Models.of`. It needs no data, so a study can hand out its models where the data are not
    at hand.
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
    """How a study's models are made.

    Attributes:
        build: the user's function.
        space: what may vary.
        batch: the form of the batches that were trained on, as the study recorded it; None of
            studies that did not.
        batch_size: rows of a batch, where the configuration has no ``batch_size``.
        preparation: what was done to the data, as the study recorded it; None of studies that did
            not.
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
        """From what a study recorded of its data, and its settings."""
        training = settings.training
        batch_size, validation = training.batch_size or 32, training.validation_batch_size
        return cls(build, space, data.get("batch"), batch_size, data.get("preparation"), validation)

    def of(self, trial: Trial, leaves: Leaves) -> Any:
        """A trial's trained model, compiled, as it leaves the study.

        Raises:
            InvalidInput: ``build`` gives another network than the one that was trained.
        """
        return self.hand_out(self.network(trial, leaves))

    def named(self, trial: Trial, leaves: Leaves) -> Any:
        """As `of`, under a name of its own, so that the models of several trials can be parts of
        one.
        """
        model = self.of(trial, leaves)
        model.name = f"{model.name}_trial_{trial.number}"
        return model

    def rows_of_batch(self, trial: Trial) -> int:
        """Rows of a batch of the trial's training."""
        return int(trial.config.get("batch_size", self.batch_size))

    def rows_of_evaluation(self, trial: Trial) -> int:
        """Rows of a batch with which the trial was validated, and with which its score can be
        measured again.
        """
        return self.validation_batch_size or self.rows_of_batch(trial)

    def hand_out(self, network: Any) -> Any:
        """What is given out in the place of a trained network: a model of the user's own rows and
        targets.
        """
        if self.preparation is None or self.batch is None or not self.preparation["in_model"]:
            return network
        from paceline.data.preparation import from_json
        from paceline.study.models.preprocessing import with_preparation
        from paceline.train import batch_spec

        form = batch_spec.from_json(self.batch, self.batch_size)[0]
        return with_preparation(network, from_json(self.preparation["inputs"]), form)

    @property
    def about(self) -> dict[str, Json] | None:
        """What a model takes and what its outputs are, in plain words; None where nothing is
        recorded of it.
        """
        return None if self.preparation is None else about_model(self.preparation)

    def network(self, trial: Trial, leaves: Leaves) -> Any:
        """The Keras model that ``build`` gives for a trial, with these variables in it."""
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
