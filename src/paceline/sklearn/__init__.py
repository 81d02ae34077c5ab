"""scikit-learn's interface: searches over the parameters of an estimator, as studies of Paceline.

    from paceline.sklearn import RandomizedSearchCV

    search = RandomizedSearchCV(KerasRegressor(build, epochs=10), space, n_iter=20, cv=3)
    search.fit(X, y)
    search.best_params_, search.best_score_, search.predict(X_new), search.study_.report()

The folds and candidates of a Keras network train together, as one compiled model; other estimators
are fitted in ``n_jobs`` processes, as by scikit-learn. See docs/sklearn.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
