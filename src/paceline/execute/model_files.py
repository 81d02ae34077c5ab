"""Model files that ``ModelCheckpoint`` of Keras asks for, of networks in cohorts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paceline.core import shown
from paceline.core.events import Noted
from paceline.execute.base import ExecutorUpdate, Leaves
from paceline.train.isolation import global_state_of
from paceline.train.variables import restore

if TYPE_CHECKING:
    from paceline.execute.prepare import Preparation, PreparedNetwork


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to write.

    Attributes:
        leaves: the variables of the model.
        has_weights_only: whether the file has the weights alone.
    """

    leaves: Leaves
    has_weights_only: bool


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files of one network, to be written in the thread that builds models.

    Attributes:
        prepared: the network.
        files: by path.
    """

    prepared: "PreparedNetwork"
    files: Mapping[str, ModelFile]

    def written(self, preparation: "Preparation") -> list[ExecutorUpdate]:
        """Builds the model and writes its files; a note if that fails."""
        try:
            model = preparation.build_again(self.prepared.config, self.prepared)
            for path, file in self.files.items():
                restore(model, file.leaves, self.prepared.feed.batch_spec("train"))
                with global_state_of(model):
                    save = model.save_weights if file.has_weights_only else model.save
                    save(path, overwrite=True)
        except Exception as error:
            number = self.prepared.leader.trial
            text = f"ModelCheckpoint wrote no file of trial {number}: {shown(error)}"
            return [ExecutorUpdate((Noted(text),))]
        return []
