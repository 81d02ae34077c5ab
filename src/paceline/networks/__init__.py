"""Ready-made networks with good search spaces, for data without a build function."""

from paceline.networks.catalogue import Build, create, names

__all__ = ["Build", "create", "names"]
