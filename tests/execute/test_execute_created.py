"""Executors are made by their name, or by what makes them."""

from typing import Any

import pytest

from paceline.core import InvalidInput
from paceline.execute import (
    Executor,
    FunctionWork,
    NetworkWork,
    Work,
    create,
    factory_of,
    name_of,
    register,
)
from paceline.execute.function_executor import FunctionExecutor
from paceline.execute.work import registry
from paceline.space import Float, Space

WORK = FunctionWork(lambda hp: hp.Float("x", 0.0, 1.0), "loss", Space([Float("x", 0.0, 1.0)]))


class Mine:
    name = "mine"

    def __init__(self, work: Work) -> None:
        self.work = work


def test_its_own_executor_is_the_standard_one() -> None:
    for name in (None, "local", " Local "):
        executor = create(name, WORK)
        assert isinstance(executor, FunctionExecutor)
        executor.close()


def test_another_class_gets_the_work() -> None:
    kind: Any = Mine
    with registry.scope():
        register(kind)
        executors: list[Executor] = [create("mine", WORK), create(kind, WORK)]
        assert name_of(kind) == name_of(" Mine") == "mine"
    assert [vars(executor) for executor in executors] == [{"work": WORK}] * 2
    assert name_of(kind) is None
    assert name_of(None) == "local"


def test_what_makes_no_executor_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"executor is 'locl'.*Did you mean 'local'"):
        factory_of("locl")
    with pytest.raises(InvalidInput, match=r"executor is <.*Mine object.*Pass the class"):
        factory_of(Mine(WORK))  # type: ignore[arg-type]


def test_work_of_networks_needs_no_engine_to_be_described() -> None:
    work = NetworkWork(lambda hp: hp, (), None, Space())  # type: ignore[arg-type]
    assert work.backend == "jax"
    assert not work.one_by_one
