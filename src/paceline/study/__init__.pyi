"""The names of this package, once: type checkers read this file, and `lazy_loader` loads each at
its first use.
"""

from .loop.session import carry_out as carry_out
from .plan.network_plan import Plan as Plan
from .plan.network_plan import make_plan as make_plan
from .record.record import Record as Record
from .request import Request as Request

__all__: list[str]
