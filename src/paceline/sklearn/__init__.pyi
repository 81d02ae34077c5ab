"""The public names, once: type checkers read this file, and `lazy_loader` loads each name at its
first use.
"""

from .searches import BayesSearchCV as BayesSearchCV
from .searches import GridSearchCV as GridSearchCV
from .searches import RandomizedSearchCV as RandomizedSearchCV
from .searches import SearchCV as SearchCV
from .tables import PacelineClassifier as PacelineClassifier
from .tables import PacelineRegressor as PacelineRegressor

__all__: list[str]
