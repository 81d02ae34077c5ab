"""The names of this package, once: type checkers read this file, and `lazy_loader` loads each at
its first use.
"""

from .loop.session import carry_out as carry_out
from .plan.defining import define as define
from .plan.definition import Definition as Definition
from .plan.plan import make_plan as make_plan
from .record.record import Record as Record

__all__: list[str]
