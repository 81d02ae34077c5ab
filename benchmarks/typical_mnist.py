"""The second of the spaces that people write, see `benchmarks.typical`: MNIST."""

from benchmarks.measure import Options
from benchmarks.report import Result
from benchmarks.typical import BAYES, RANDOM, measure


def run(options: Options) -> Result:
    return measure(options, "Typical spaces: widths vary, MNIST", [BAYES, RANDOM])
