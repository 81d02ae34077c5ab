"""Callbacks: the base class, how they are named, and those that Paceline itself uses."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
