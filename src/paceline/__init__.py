"""Paceline: hyperparameter tuning for neural networks, many candidates trained as one compiled program."""

__version__ = "0.1.0"
