"""Raises an error with the install command if the extra ``testing`` is missing."""

try:
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"this suite of paceline.testing needs {error.name}; install it: "
        f"pip install 'paceline[testing]'",
        name=error.name,
    ) from error
