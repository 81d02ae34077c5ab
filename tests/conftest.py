"""What every test shares: Keras on JAX, and a cache of compiled programs that is not the user's."""

import gc
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# how long a machine takes, busy as it may be, says nothing about the code
settings.register_profile("paceline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("paceline")

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
# two devices, so that every engine test also spreads its lanes; little optimisation, since the
# tests compile hundreds of programs and run each for a moment
_FLAGS = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
if version("jaxlib").startswith(("0.8.", "0.9.", "0.10.")):  # later ones do not know it, and abort
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")  # compiles in a third of the time
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *_FLAGS])


def pytest_collection_finish() -> None:
    """Lets the garbage collector pass over what the imports have left, and come less often: tracing
    makes millions of small objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    # one for all processes that share the work: what one has compiled, no other compiles
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    cache.mkdir(exist_ok=True)
    os.environ["PACELINE_CACHE"] = str(cache)
    os.environ["PACELINE_STATE"] = str(base / "state")
    # the same number of lanes in every run, and no seconds to measure it; `test_train_lanes` has
    # the measurement
    machine = f"cpu cpu {os.cpu_count()} jax {version('jax')}"
    written = base / "lanes.json"
    written.write_text(json.dumps({machine: 2**22}))
    written.replace(cache / "lanes.json")
    if "jax" in sys.modules:
        # for the whole session: a study restores JAX's configuration at its end, and what the
        # tests train with Keras itself would be compiled anew each time
        from paceline.train.disk_cache import use_disk_cache

        use_disk_cache()


@pytest.fixture(scope="session")
def shared_data() -> Path | None:
    """A folder of real data sets, where the environment or a sibling of the checkout has one."""
    places = [os.environ.get("PACELINE_DATA"), str(Path(__file__).parents[2] / "shared" / "data")]
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)
