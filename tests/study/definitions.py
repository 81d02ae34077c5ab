"""Definitions and plans of studies that are about to begin, as `paceline.tune` makes them."""

from pathlib import Path
from typing import Any

from paceline.settings.function import NETWORKS
from paceline.study.plan.defining import define
from paceline.study.plan.definition import Definition
from paceline.study.plan.network_plan import NetworkPlan, plan_networks


def defined(build: Any, data: Any, *, study: Path, **options: Any) -> Definition:
    """The definition of a study of networks, without a final unless it is asked for."""
    return define({"final": "off", "build": build, "data": data, **options}, study, kind=NETWORKS)


def planned(build: Any, data: Any, *, study: Path, **options: Any) -> NetworkPlan:
    """The plan of a study of networks, without a final unless it is asked for."""
    return plan_networks(defined(build, data, study=study, **options))
