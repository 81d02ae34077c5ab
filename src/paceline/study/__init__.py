"""The only place that wires everything: requests in, studies out."""

from paceline.study.plan import Plan, make_plan
from paceline.study.record import Record
from paceline.study.request import Request
from paceline.study.session import carry_out

__all__ = ["Plan", "Record", "Request", "carry_out", "make_plan"]
