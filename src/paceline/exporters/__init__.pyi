"""The names of this package, once: type checkers read this file, and `lazy_loader` loads each at
its first use.
"""

from .base import Exporter as Exporter
from .base import export as export
from .mlflow_runs import MLflow as MLflow
from .optuna_storage import OptunaStorage as OptunaStorage
from .tables import Tables as Tables
from .tensorboard_logs import TensorBoard as TensorBoard
from .wandb_runs import WandB as WandB

__all__: list[str]
