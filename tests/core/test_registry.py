"""Registries: names that were registered, and names that an installed package provides."""

import subprocess
import sys
from pathlib import Path

import pytest

from paceline.core import InvalidInput, Registry
from paceline.testing.packages import installed

GROUP = "paceline.tests"


class Paddle:
    name = "paddle"


class Other:
    name = "paddle"


@pytest.fixture
def registry() -> Registry[type]:
    made: Registry[type] = Registry(
        "tool", "tool", GROUP, "paceline.tools", "a class", lambda item: isinstance(item, type)
    )
    made.register(Paddle)
    return made


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which packages are installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_names_are_found_whatever_their_case(registry: Registry[type]) -> None:
    assert registry.get(" Paddle ") is Paddle
    assert registry.find("sail") is None
    assert registry.names() == ("paddle",)


def test_an_unknown_name_is_refused_with_the_one_that_was_meant(registry: Registry[type]) -> None:
    with pytest.raises(
        InvalidInput, match=r"tool is 'padle'; expected one of 'paddle'\. Did you mean 'paddle'\?"
    ):
        registry.get("padle")
    with pytest.raises(InvalidInput, match=r"tool is 3; expected one of 'auto'"):
        registry.get(3, lambda: ["auto"])


def test_one_name_is_of_one_class(registry: Registry[type]) -> None:
    reloaded = type("Paddle", (), {"name": "paddle", "__module__": __name__})
    registry.register(reloaded)
    assert registry.get("paddle") is reloaded
    with pytest.raises(InvalidInput, match=r"name 'paddle' is that of .*Paddle and .*Other"):
        registry.register(Other)


@pytest.mark.parametrize("name", [None, "", "My tool", "a:b", 3])
def test_a_name_is_a_lower_case_word(registry: Registry[type], name: object) -> None:
    with pytest.raises(InvalidInput, match=r"name of .*Nameless is .*lower-case letters"):
        registry.register(type("Nameless", (), {"name": name}))


def test_only_what_is_of_the_kind_is_registered(registry: Registry[type]) -> None:
    with pytest.raises(InvalidInput, match=r"tool 'hammer' is 3; expected a class"):
        registry.register(3, "hammer")


def test_a_scope_leaves_nothing_behind(registry: Registry[type]) -> None:
    with registry.scope():
        registry.register(int, "int")
        assert registry.find("int") is int
    assert registry.names() == ("paddle",)


def test_an_installed_package_provides_names(registry: Registry[type], package: Path) -> None:
    code = "class Oar:\n    name = 'oar'\n"
    installed(package, "rowing", code, {GROUP: {"oar": "Oar", "broken": "Missing"}})
    assert registry.names() == ("broken", "oar", "paddle")
    assert "rowing" not in sys.modules  # names are listed without importing anything
    assert registry.get("oar").__module__ == "rowing"
    assert registry.stored({"tool": "oar"}) is registry.get("oar")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module", r"ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('out of wind')", r"RuntimeError: out of wind"),
        ("", r"AttributeError: module '\w+' has no attribute 'Oar'"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named(
    registry: Registry[type], package: Path, code: str, said: str
) -> None:
    module = f"broken_{abs(hash(said)) % 1000}"
    installed(package, module, code, {GROUP: {"oar": "Oar"}})
    with pytest.raises(
        InvalidInput,
        match=rf"tool 'oar' of the package {module} 1.0 .* cannot be imported \({said}\)",
    ):
        registry.get("oar")
    assert registry.get("paddle") is Paddle


def test_a_package_that_provides_something_else_is_refused(
    registry: Registry[type], package: Path
) -> None:
    code = "oar = 3\nclass Named:\n    name = 'sail'\n"
    installed(package, "strange", code, {GROUP: {"oar": "oar", "named": "Named"}})
    with pytest.raises(InvalidInput, match=r"tool 'oar' is 3; expected a class"):
        registry.get("oar")
    with pytest.raises(InvalidInput, match=r"tool 'named' of .* calls itself 'sail'"):
        registry.get("named")


def test_two_packages_that_provide_one_name_are_both_named(
    registry: Registry[type], package: Path
) -> None:
    for module in ("first_oars", "second_oars"):
        installed(package, module, "class Oar:\n    name = 'oar'\n", {GROUP: {"oar": "Oar"}})
    with pytest.raises(
        InvalidInput, match=r"first_oars 1.0 .*second_oars 1.0 .*expected one of these packages"
    ):
        registry.get("oar")


def test_what_was_registered_is_not_looked_up(registry: Registry[type], package: Path) -> None:
    installed(package, "shadow", "raise RuntimeError", {GROUP: {"paddle": "Paddle"}})
    assert registry.get("paddle") is Paddle


def test_a_state_of_an_unknown_class_says_what_to_do(registry: Registry[type]) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"the tool is 'sail', which is not known here; expected one of 'paddle'.*"
        r"tool=\.\.\., register it with paceline\.tools\.register, or install the package",
    ):
        registry.stored({"tool": "sail"})


def test_importing_paceline_looks_nothing_up() -> None:
    code = (
        "import importlib.metadata as m, sys\n"
        "m.entry_points = lambda **_: sys.exit('looked up')\n"
        "import paceline.search, paceline.schedule, paceline.data\n"
        "import paceline.store, paceline.execute, paceline.callbacks\n"
        "paceline.search.create('random', 0), paceline.schedule.create('asha')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
