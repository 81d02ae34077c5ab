"""Contract tests for extensions: strategies, schedules, executors, stores and data sources.

A test class inherits a suite and defines one fixture, the extension. The suites need the extra
``testing``.
"""
