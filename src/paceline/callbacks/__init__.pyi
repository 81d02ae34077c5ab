"""The names of this package, once: type checkers read this file, and `lazy_loader` loads each at
its first use.
"""

from .csv_writer import TrialsCSV as TrialsCSV
from .display import display_callbacks as display_callbacks
from .interface import Callback as Callback
from .interface import Callbacks as Callbacks
from .interface import CallbackWarning as CallbackWarning
from .interface import StudyView as StudyView
from .log import StudyLog as StudyLog
from .named import callback_names as callback_names
from .named import create as create
from .named import register as register
from .progress import StudyProgress as StudyProgress
from .report_writer import ReportWriter as ReportWriter
from .together import callbacks_of as callbacks_of

__all__: list[str]
