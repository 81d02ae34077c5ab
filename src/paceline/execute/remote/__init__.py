"""The executor whose workers join over HTTP, and the worker that does."""

from paceline.execute.remote.options import WorkerServer

__all__ = ["WorkerServer"]
