"""Virtual environments for the peers, made on demand under ``.venvs/`` so that none of them is a
dependency of ours.
"""

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = "paceline"
"""Name of the environment that runs this program."""

SHOWN = (
    "keras",
    "jax",
    "jaxlib",
    "numpy",
    "keras-tuner",
    "tensorflow-cpu",
    "torch",
    "optuna",
    "sqlalchemy",
    "ray",
    "paceline",
)
"""Packages whose versions are written beside every result."""


def requirements(name: str) -> tuple[str, ...]:
    """What is installed in an environment; Keras, JAX and NumPy in the versions that we run
    ourselves.
    """
    keras, jax, numpy = (
        f"{package}=={importlib.metadata.version(package)}" for package in ("keras", "jax", "numpy")
    )
    lists: Mapping[str, tuple[str, ...]] = {
        # keras-tuner imports six without declaring it; its Bayesian search needs scikit-learn
        "keras-jax": (
            "keras-tuner==1.4.8",
            "six",
            "scikit-learn",
            "scipy",
            keras,
            jax,
            numpy,
            "psutil",
        ),
        "keras-jax-optuna": ("optuna==5.0.0", keras, jax, numpy),
        # TensorFlow and PyTorch may pin another NumPy; what was installed is written beside the
        # results.
        "keras-tf": ("keras-tuner==1.4.8", "six", "tensorflow-cpu", "tensorboard", keras, "psutil"),
        "keras-torch": ("torch==2.13.0", keras, "numpy"),
        # whose sources are read; nothing of them runs
        "admired": (
            *("--no-deps", "httpx==0.28.1", "starlette==1.10.0", "equinox==0.13.8"),
            *("optimistix==0.1.0", "cmaes==0.13.1", "optax==0.2.8", "optuna==5.0.0"),
            *("keras-tuner==1.4.8", "syne-tune==0.16.0", "scikit-learn==1.9.1"),
        ),
        # its GPSampler needs PyTorch and SciPy, its QMCSampler SciPy
        "optuna": ("optuna==5.0.0", "torch==2.13.0", "scipy"),
    }
    return lists[name]


def python(name: str) -> Path:
    """The environment's interpreter; builds the environment first where it is not there or its list
    has changed.
    """
    if name == OURS:
        return Path(sys.executable)
    folder = ROOT / ".venvs" / name
    executable, stamp = folder / "bin" / "python", folder / "requirements.stamp"
    wanted = "\n".join(requirements(name))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(
            f"building .venvs/{name}: {', '.join(requirements(name))}", file=sys.stderr, flush=True
        )
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(executable), "-m", "pip", "install", "--quiet", *requirements(name)]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return executable


_VERSIONS = """
import importlib.metadata as m, json, platform, sys
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
found = {name: version(name) for name in sys.argv[1:]}
print(json.dumps({"python": platform.python_version(), **{k: v for k, v in found.items() if v}}))
"""


def versions(name: str) -> dict[str, str]:
    """Version of Python and of each package in `SHOWN` that the environment has."""
    command = [str(python(name)), "-c", _VERSIONS, *SHOWN]
    found: dict[str, str] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return found


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ("keras-jax", "keras-tf", "keras-torch", "optuna"):
        print(wanted, versions(wanted))
