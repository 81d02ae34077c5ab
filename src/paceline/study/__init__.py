"""The only place that wires everything: requests in, studies out."""

from paceline.study.plan import Plan, make_plan
from paceline.study.record import Record
from paceline.study.request import Request
from paceline.study.session import run
from paceline.study.study import Study

__all__ = ["Plan", "Record", "Request", "Study", "make_plan", "run"]
