"""The recipe `mnist-methods`: grid, random and Bayesian search, and what the best of them
reaches.
"""

from benchmarks.measure import Options
from benchmarks.recipes import on_mnist
from benchmarks.report import Result


def run(options: Options) -> Result:
    return on_mnist(
        "mnist-methods", "all three methods, and their comparison", options, (98.3, 98.6), 10
    )
