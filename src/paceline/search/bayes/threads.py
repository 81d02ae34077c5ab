"""Single-threaded linear algebra for the model.

Its matrices are small: a second thread saves a few milliseconds on an idle core, and waits at every
product while the cores train networks, which made proposals many times slower. A single thread also
adds in a fixed order, so that proposals do not depend on the number of cores.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """A context in which BLAS uses one thread, in the whole process."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> "ThreadpoolController":
    import scipy.linalg  # noqa: F401 - loads the library that the controller looks for
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
