"""One thread for the model's matrices.

They are small: a second thread gains a few milliseconds where a core is idle, and where the cores
are training networks it waits for its turn at every product, which made proposals many times
slower. One thread also adds in one order, so that the number of cores changes no proposal.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """In its block, and everywhere in the process as long as that lasts, BLAS works with one
    thread.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> "ThreadpoolController":
    import scipy.linalg  # noqa: F401 - loads the library that is to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
