"""The candidates of a search: of a grid, drawn from distributions, or proposed by a study."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

from paceline.core import Configuration, InvalidInput, Value, did_you_mean, last_line, shown
from paceline.sklearn.parameter_values import (
    ListedValues,
    ParameterValues,
    dimension,
    drawn_values,
    plain,
)
from paceline.space import Choice, Condition, Hyperparameter, Space, discover


@dataclass(frozen=True, eq=False)
class Candidate:
    """One setting of an estimator's parameters.

    Attributes:
        params: the parameters, as the estimator gets them.
        config: the configuration in the study.
    """

    params: Mapping[str, Any]
    config: Configuration


class ParameterSpace:
    """The parameters of an estimator as the search space of a study.

    Several spaces, such as a list of grids, are one: a hyperparameter more says which of them.

    Attributes:
        space: the search space.
    """

    def __init__(self, spaces: Sequence[Mapping[str, ParameterValues]]) -> None:
        """Of the values of each parameter in each of the spaces."""
        self._spaces = spaces
        self._which = "space"
        while any(self._which in each for each in spaces):
            self._which += "_"
        self._has_which = len(spaces) > 1 or not any(spaces)
        numbers = self._numbers = [str(number) for number in range(1, len(spaces) + 1)]
        members: list[Hyperparameter] = []
        if self._has_which:
            members.append(Choice(self._which, numbers, ordered=False))
        of_each: dict[tuple[str, str], tuple[ParameterValues, list[str]]] = {}
        for number, each in zip(numbers, spaces, strict=True):
            for name, values in each.items():
                key = (name, values.hyperparameter(name).definition_id)
                of_each.setdefault(key, (values, []))[1].append(number)
        for (name, _), (values, where) in of_each.items():
            everywhere = not self._has_which or len(where) == len(spaces)
            conditions = [] if everywhere else [Condition(self._which, where)]
            members.append(values.hyperparameter(name, conditions))
        self.space = Space(members)

    def candidate(self, which: int, labels: Mapping[str, Value], **more: Any) -> Candidate:
        """The candidate with these labels in one of the spaces.

        Args:
            which: the number of the space, from 0.
            labels: of each parameter.
            more: ``params``, if they are not exactly those of the labels.
        """
        config = {self._which: self._numbers[which], **labels} if self._has_which else dict(labels)
        own = self._spaces[which]
        params = more.get("params") or {name: own[name].value(v) for name, v in labels.items()}
        return Candidate(params, self.space.complete(config))

    def examples(self) -> list[Candidate]:
        """A candidate of each of the spaces."""
        configs = [{self._which: number} for number in self._numbers] if self._has_which else [{}]
        return [self.of_config(self.space.complete(config)) for config in configs]

    def of_config(self, config: Configuration) -> Candidate:
        """The candidate that a configuration stands for."""
        which = self._numbers.index(str(config[self._which])) if self._has_which else 0
        own = self._spaces[which]
        return Candidate({name: own[name].value(config[name]) for name in sorted(own)}, config)


def of_grid(param_grid: Any) -> tuple[ParameterSpace, list[Candidate]]:
    """All candidates of a grid, in the order of scikit-learn's ``ParameterGrid``.

    Raises:
        TypeError, ValueError: from scikit-learn, for something that is not a grid.
    """
    grids = ParameterGrid(param_grid).param_grid
    listed = [{name: ListedValues.of(values) for name, values in grid.items()} for grid in grids]
    space = ParameterSpace(listed)
    candidates = []
    for which, own in enumerate(listed):
        for places in ParameterGrid({name: range(len(one.values)) for name, one in own.items()}):
            labels = {name: own[name].labels[place] for name, place in places.items()}
            params = {name: own[name].values[place] for name, place in places.items()}
            candidates.append(space.candidate(which, labels, params=params))
    return space, candidates


class _Draw(NamedTuple):
    """A value that was drawn.

    Attributes:
        which: the number of its space.
        value: the value; of a list its place.
    """

    which: int
    value: Any


class _Places(Sequence[_Draw]):
    """Stands for a list of values of which one is drawn."""

    def __init__(self, which: int, count: int) -> None:
        self._which, self._count = which, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        if not 0 <= place < self._count:
            raise IndexError(place)
        return _Draw(self._which, int(place))


class _Drawing:
    """Stands for a distribution."""

    def __init__(self, which: int, distribution: Any) -> None:
        self._which, self._distribution = which, distribution

    def rvs(self, random_state: Any) -> _Draw:
        """Draws a value."""
        value = self._distribution.rvs(random_state=random_state)
        is_dimension = hasattr(self._distribution, "transformed_bounds")  # of scikit-optimize
        return _Draw(self._which, plain(value[0] if is_dimension else value))


def of_distributions(
    distributions: Any, n_iter: int, random_state: Any
) -> tuple[ParameterSpace, list[Candidate]]:
    """The candidates that scikit-learn's ``ParameterSampler`` draws, in its order.

    Raises:
        TypeError, ValueError: from scikit-learn, for something that is not a distribution.
    """
    spaces = ParameterSampler(distributions, n_iter).param_distributions
    stand_ins = [
        {
            name: _Drawing(which, one) if hasattr(one, "rvs") else _Places(which, len(one))
            for name, one in each.items()
        }
        for which, each in enumerate(spaces)
    ]
    draws = list(ParameterSampler(stand_ins, n_iter, random_state=random_state))
    empty = next((which for which, each in enumerate(spaces) if not each), 0)
    where = [next((one.which for one in draw.values()), empty) for draw in draws]
    values: list[dict[str, ParameterValues]] = [
        {
            name: drawn_values(
                one, [d[name].value for d, w in zip(draws, where, strict=True) if w == which]
            )
            if hasattr(one, "rvs")
            else ListedValues.of(one)
            for name, one in each.items()
        }
        for which, each in enumerate(spaces)
    ]
    space = ParameterSpace(values)
    candidates = []
    for which, draw in zip(where, draws, strict=True):
        labels, params = {}, {}
        for name, one in draw.items():
            own = values[which][name]
            if hasattr(spaces[which][name], "rvs"):
                params[name], labels[name] = one.value, own.label(one.value)
            elif isinstance(own, ListedValues):
                params[name], labels[name] = own.values[one.value], own.labels[one.value]
        candidates.append(space.candidate(which, labels, params=params))
    return space, candidates


def of_search_spaces(given: Any, lists_are_ranges: bool = False) -> tuple[ParameterSpace, int]:
    """The space of a search that learns.

    Args:
        given: a dict of the values of each parameter, or a list of such dicts; scikit-optimize's
            pairs of a dict and a number of candidates are accepted as well.
        lists_are_ranges: see `paceline.sklearn.parameter_values.dimension`.

    Returns:
        The space, and the number of dicts.

    Raises:
        InvalidInput: anything else.
    """
    listed = [given] if isinstance(given, Mapping | Space) else given
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not len(listed):
        raise InvalidInput(
            f"the search space is {shown(given)}",
            expected="a dict with the values of each parameter, or a list of such dicts",
        )
    spaces = [dict(_parameters(each, lists_are_ranges)) for each in listed]
    return ParameterSpace(spaces), len(spaces)


def of_build(build: Any) -> ParameterSpace:
    """The space of the hyperparameters that ``build(hp)`` asks for, with their conditions.

    Raises:
        InvalidInput: it asks for none, or raises an error for each configuration.
    """
    from paceline.train.build import build_model

    function = getattr(build, "build", build)
    found = discover(lambda hp: build_model(function, hp, 0))
    if not len(found.space) or len(found.failures) == len(found.observations):
        errors = [last_line(one.error) for one in found.failures]
        raise InvalidInput(
            f"build(hp) raised {errors[0]}" if errors else "build(hp) asks for no hyperparameter",
            expected="a function that asks hp for hyperparameters and returns a compiled model",
        )
    return FoundSpace(found.space)


class FoundSpace(ParameterSpace):
    """A search space whose configurations are the parameters themselves."""

    def __init__(self, space: Space) -> None:
        """Of a space."""
        self.space = space

    def examples(self) -> list[Candidate]:
        """The default configuration."""
        return [self.of_config(self.space.complete({}))]

    def of_config(self, config: Configuration) -> Candidate:
        """The candidate that a configuration stands for."""
        return Candidate(dict(config), config)


def check_names(estimator: Any, candidates: Sequence[Candidate]) -> None:
    """Checks that an estimator has the parameters of candidates.

    Raises:
        ValueError: from the estimator's ``set_params``: it has no parameter of a name. The message
            says which one may be meant.
    """
    for params in {frozenset(one.params): one.params for one in candidates}.values():
        error = _error_of(estimator, params)
        if error is None:
            continue
        if type(error) is not ValueError:  # of a class of the estimator
            raise error
        wrong = next((n for n in sorted(params) if _error_of(estimator, {n: params[n]})), "")
        meant = did_you_mean(wrong, estimator.get_params())
        raise ValueError(f"{error} {meant}".rstrip())


def _error_of(estimator: Any, params: Mapping[str, Any]) -> ValueError | None:
    """The error with which an estimator refuses parameters, if any."""
    try:
        clone(estimator).set_params(**clone(dict(params), safe=False))
    except ValueError as error:
        return error
    return None


def _parameters(given: Any, lists_are_ranges: bool) -> Iterator[tuple[str, ParameterValues]]:
    given = given[0] if isinstance(given, tuple) and given else given
    if isinstance(given, Space):
        given = {one.name: one for one in given}
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"a search space is {shown(given)}", expected="a dict with the values of each parameter"
        )
    for name, values in given.items():
        try:
            yield str(name), dimension(values, lists_are_ranges)
        except InvalidInput as error:
            raise InvalidInput(
                f"{name!r}: {error.passed}", expected=error.expected, fix=error.fix
            ) from None
