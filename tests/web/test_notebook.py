"""A notebook that is executed without a front end, and the page that is exported from it."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from tests.web.browser import CHROMIUM, Browser

_MISSING = [name for name in ("ipykernel", "nbconvert") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)} (extra 'dev')"
    ),
]

CELLS = [
    # closures, and names of other cells: what a worker cannot import
    """
import numpy as np
import paceline

factor = 2.0

def objective(hp):
    for _ in range(2):
        if not hp.report(factor * hp.Float("<b>x</b>", 0, 1)):
            return

study = paceline.tune(objective, objective="max", trials=4, epochs=2, workers=2, seed=1)
""",
    """
import keras

y = np.arange(96) % 8
x = 3.0 * np.eye(8)[y]

def build(hp):
    rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, activation="softmax")])
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

networks = paceline.tune(
    build, (x, y), objective="val_accuracy", epochs=2, batch_size=128, trials=2, final=False, seed=1
)
""",
    "study",
    "study.best",
    "study.space",
    "study.plot",
    "study.plot.best_so_far()",
    "networks.plot.learning_curves()",
    "import threading; sorted(t.name for t in threading.enumerate() if 'paceline' in t.name)",
]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import nbformat
    from nbclient import NotebookClient

    patched = pytest.MonkeyPatch()
    patched.setenv("TMPDIR", str(tmp_path_factory.mktemp("studies")))
    patched.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    patched.setenv("KERAS_BACKEND", "jax")
    made = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, CELLS)))
    with patched.context():
        NotebookClient(made, timeout=300, startup_timeout=300, kernel_name="python3").execute()
    patched.undo()
    return made


def outputs(notebook: Any, source: str) -> list[Any]:
    found = [
        cell.outputs
        for cell in notebook.cells
        if cell.source == source or (" " in source and source in cell.source)
    ]
    assert len(found) == 1
    return list(found[0])


def html_of(notebook: Any, source: str) -> str:
    (output,) = outputs(notebook, source)
    return str(output["data"]["text/html"])


@pytest.mark.parametrize("source", ["def objective", "def build"])
def test_progress_is_one_output_that_was_replaced(notebook: Any, source: str) -> None:
    (output,) = outputs(notebook, source)
    assert output["output_type"] == "display_data"
    shown = output["data"]["text/html"]
    assert re.search(r"(4|2) of \1 trials done in .* s\. The study ended: all", shown)
    assert "<b>x</b>" not in shown
    assert "trials done" in output["data"]["text/plain"]


def test_objects_show_themselves_as_escaped_html(notebook: Any) -> None:
    for source in ("study.best", "study.space"):
        assert "&lt;b&gt;x&lt;/b&gt;" in html_of(notebook, source)
    assert "best trial" in html_of(notebook, "study")
    assert "study.plot.best_so_far()" in html_of(notebook, "study.plot")


def test_no_thread_of_paceline_is_left(notebook: Any) -> None:
    (output,) = outputs(notebook, "import threading")
    assert output["data"]["text/plain"] == "[]"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_figures_are_drawn_in_an_exported_page_without_a_network(
    notebook: Any, tmp_path: Path
) -> None:
    from nbconvert import HTMLExporter

    page = tmp_path / "exported.html"
    body, _ = HTMLExporter().from_notebook_node(notebook)
    page.write_text(body)
    assert body.count("* plotly.js v") == 1
    with Browser(tmp_path / "chromium") as browser:
        browser.open(page.as_uri())
        browser.until("document.querySelectorAll('.js-plotly-plot').length === 2")
