"""Measures Paceline against its peers and writes what was found into ``RESULTS.md``.

    python -m benchmarks.run                      all of them
    python -m benchmarks.run california steps     only these
    python -m benchmarks.run --quick          tiny sizes on made-up data, printed and not written

Real data (MNIST, California Housing) is looked for in the folder that ``PACELINE_DATA`` names
before any download; tables of searches lie in the folder that ``PACELINE_TABLES`` names. Peers get
virtual environments of their own under ``.venvs/``, made on demand. Measure with nothing else
running.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks import environments, kept, report
from benchmarks.measure import Options, SideError

BENCHMARKS = (
    "house",
    "equality",
    "merged",
    "california",
    "mnist",
    "typical",
    "typical_mnist",
    "steps",
    "convolution",
    "gpu",
    "digits_grid",
    "race",
    "curves",
    "compilations",
    "preparing",
    "overhead",
    "memory",
    "budget",
    "ordered",
    "cluster",
    "postgres",
    "ray_cluster",
    "several_engines",
    "kills",
    "ray_networks",
    "startup",
    "tables",
    "conditional",
    "proposals",
    "ablations",
    "final",
    "coverage",
    "coverage_real",
    "importance",
    "page",
    "scale",
    "live",
    "exports",
    "sklearn_search",
    "exercises",
    "kt_scripts",
    "networks",
    "kmnist_mlp",
    "mnist_methods",
    "mnist_cnn",
    "side_by_side",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmarks that were asked for; 1 when one of them failed, the others having run all
    the same.
    """
    asked = _parser().parse_args(arguments)
    options = Options(asked.repeats, asked.slow_repeats)
    options = options.smoke() if asked.quick else options
    output = asked.output or (
        None if asked.quick else environments.ROOT / "benchmarks" / "RESULTS.md"
    )
    failed = [name for name in asked.names or BENCHMARKS if not _run(name, options, output)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, options: Options, output: Path | None) -> bool:
    print(f"{name} ...", file=sys.stderr, flush=True)
    load, start, reused = os.getloadavg()[0], time.perf_counter(), kept.num_reused()
    try:
        result = importlib.import_module(f"benchmarks.{name}").run(options)
        seconds = time.perf_counter() - start
        took = report.Took(load, seconds, kept.num_reused() - reused)
        section = report.render(name, result, command=_command(name, options), took=took)
    except (SideError, subprocess.SubprocessError) as failure:
        said = getattr(failure, "stderr", None) or b""
        print(f"{name} failed: {failure}\n{said.decode()[-1000:]}", file=sys.stderr, flush=True)
        return False
    except Exception:  # the others are to run, whatever went wrong with this one
        print(f"{name} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        return False
    print(section, flush=True)
    if output is not None:
        report.update(output, name, section, BENCHMARKS)
    return True


def _command(name: str, options: Options) -> str:
    """How to repeat one section."""
    times = f"--repeats {options.repeats} --slow-repeats {options.slow_repeats}"
    return f"python -m benchmarks.run {name} " + ("--quick" if options.quick else times)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one or more of: {', '.join(BENCHMARKS)} (default: all)",
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs of Paceline and of quick peers (default 3)"
    )
    parser.add_argument(
        "--slow-repeats", type=int, default=2, help="runs of peers that take minutes (default 2)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, once, on made-up data; nothing is written"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="the file whose sections are replaced (default benchmarks/RESULTS.md)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
