"""The names of this package, once."""

from .data import DataOptions as DataOptions
from .data import DataSettings as DataSettings
from .description import Difference as Difference
from .description import Settings as Settings
from .evaluation import EvaluationOptions as EvaluationOptions
from .evaluation import EvaluationSettings as EvaluationSettings
from .evaluation import FinalOptions as FinalOptions
from .execution import ExecutionOptions as ExecutionOptions
from .execution import ExecutionSettings as ExecutionSettings
from .execution import FunctionExecutionOptions as FunctionExecutionOptions
from .function import FunctionOptions as FunctionOptions
from .function import FunctionSettings as FunctionSettings
from .keywords import OptimizeOptions as OptimizeOptions
from .keywords import ResumeOptions as ResumeOptions
from .keywords import TuneOptions as TuneOptions
from .rules import Change as Change
from .rules import FromMemory as FromMemory
from .rules import Terminal as Terminal
from .search_settings import SearchOptions as SearchOptions
from .search_settings import SearchSettings as SearchSettings
from .training import TrainingOptions as TrainingOptions
from .training import TrainingSettings as TrainingSettings

__all__: list[str]
