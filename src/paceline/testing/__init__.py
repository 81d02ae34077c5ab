"""Contract suites for extensions: strategies, schedules, executors, stores and data sources.

A test class inherits a suite and supplies one fixture, the extension. Needs the extra ``testing``.
"""

try:
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"paceline.testing needs {error.name}; install it: pip install 'paceline[testing]'",
        name=error.name,
    ) from error
