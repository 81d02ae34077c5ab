"""The names of this package, once: type checkers read this file, and `lazy_loader` loads each at
its first use.
"""

from .show import Summary as Summary
from .show import read as read
from .study import Study as Study

__all__: list[str]
