"""Studies: combines space, search, schedule, data, execution and store; the only place to do so."""

import lazy_loader

# who only reads a study's record does not wait for what carries a study out
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
