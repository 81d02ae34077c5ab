"""Networks that tune well out of the box, for those who have data and no build function of their
own.
"""

from paceline.networks.catalogue import Build, create, names

__all__ = ["Build", "create", "names"]
