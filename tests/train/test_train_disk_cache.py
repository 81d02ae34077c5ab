"""The cache of compiled programs on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import jax, jax.numpy as jnp
from paceline.train.compilation_count import count_compilations
from paceline.train.disk_cache import use_disk_cache

use_disk_cache()
with count_compilations() as counter:
    jax.jit(lambda x: jnp.tanh(x @ x.T).sum(axis=0))(jnp.ones((40, 30)))
print(counter.compilations - counter.hits)
"""


def run(cache: Path, **more: str) -> tuple[int, str]:
    dropped = ("XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"PACELINE_CACHE": str(cache), **more}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout), done.stderr


@pytest.mark.exhaustive
def test_another_process_finds_the_program_without_messages(tmp_path: Path) -> None:
    assert run(tmp_path)[0] > 0
    assert run(tmp_path) == (
        0,
        "",
    )  # XLA would log kilobytes of false alarms on a processor with AVX-512
    assert len(list((tmp_path / "xla").iterdir())) == 1  # a folder for this kind of processor


def test_each_type_of_processor_has_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    from paceline.train import disk_cache

    def described(text: str) -> str:
        with monkeypatch.context() as changed:
            changed.setattr(Path, "read_text", lambda *_, **__: text)
            return disk_cache.processor.__wrapped__()

    first = "processor\t: 0\nmodel name\t: A\ncpu MHz\t: 2000\nflags\t: fpu avx2 avx512f\n"
    text = f"{first}\nprocessor\t: 1\n"
    assert described(text) == described(text.replace("2000", "3000"))
    assert described(text) != described(text.replace(" avx512f", ""))
