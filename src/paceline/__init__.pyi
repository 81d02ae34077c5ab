"""The public names: type checkers read this file; `lazy_loader` loads each at its first use."""

from . import callbacks as callbacks
from . import data as data
from . import execute as execute
from . import exporters as exporters
from . import schedule as schedule
from . import search as search
from . import space as space
from . import testing as testing
from .api import ablate as ablate
from .api import doctor as doctor
from .api import finish as finish
from .api import load_study as load_study
from .api import open_study as open_study
from .api import optimize as optimize
from .api import resume as resume
from .api import tune as tune
from .callbacks import Callback as Callback
from .callbacks import CallbackWarning as CallbackWarning
from .callbacks import StudyView as StudyView
from .comparison import Comparison as Comparison
from .comparison import Ladder as Ladder
from .comparison import compare as compare
from .comparison import ladder as ladder
from .core import AllTrialsFailed as AllTrialsFailed
from .core import InvalidInput as InvalidInput
from .core import MissingData as MissingData
from .core import Objective as Objective
from .core import PacelineError as PacelineError
from .core import StudyInterrupted as StudyInterrupted
from .core import StudyLocked as StudyLocked
from .core import StudyMismatch as StudyMismatch
from .core import StudyWarning as StudyWarning
from .core import UnreadableStudy as UnreadableStudy
from .report import Study as Study
from .settings import Settings as Settings
from .space import Boolean as Boolean
from .space import Choice as Choice
from .space import Fixed as Fixed
from .space import Float as Float
from .space import HyperParameters as HyperParameters
from .space import Int as Int
from .space import Space as Space
from .study.asktell import OpenStudy as OpenStudy

__all__: list[str]
__version__: str
