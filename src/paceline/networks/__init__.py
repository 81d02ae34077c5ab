"""Ready-made networks with good search spaces, for data without a build function."""

from paceline.networks.catalogue import Build, BuiltInNetwork, create, find, names

__all__ = ["Build", "BuiltInNetwork", "create", "find", "names"]
