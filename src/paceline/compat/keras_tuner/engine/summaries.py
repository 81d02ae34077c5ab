"""The summaries that tuners print."""

from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters


def print_results(project_dir: str, oracle: Any, num_trials: int) -> None:
    """Prints the best trials."""
    print("Results summary")
    print(f"Results in {project_dir}")
    print(f"Showing {num_trials} best trials")
    print(oracle.objective)
    for trial in oracle.get_best_trials(num_trials):
        print()
        trial.summary()


def print_space(space: HyperParameters) -> None:
    """Prints each hyperparameter with its arguments."""
    print("Search space summary")
    print(f"Default search space size: {len(space.space)}")
    for one in space.space:
        config = one.get_config()
        print(f"{config.pop('name')} ({type(one).__name__})")
        print(config)
