"""Figures for notebooks, and for the HTML that is exported from notebooks."""

import json
import sys
import uuid
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs, get_plotlyjs_version

_MIMETYPE = "application/vnd.plotly.v1+json"

_HTML = """{library}<div id="{id}" style="min-height: {height}px"></div>
<script>(() => {{
  const draw = () => Plotly.newPlot("{id}", {data}, {layout}, {{responsive: true}});
  if (window.Plotly) return draw();
  const script = document.createElement("script");
  script.src = "https://cdn.plot.ly/plotly-{version}.min.js";
  script.onload = draw;
  script.onerror = () => document.getElementById("{id}").textContent =
    "This figure needs plotly.js, which the first figure of the notebook has: run that cell again.";
  document.head.append(script);
}})();</script>"""

_holders: list[object] = []
"""The cell whose output has plotly.js, once there is one."""


class StudyFigure(go.Figure):  # type: ignore[misc]
    """A Plotly figure whose output in a notebook has both Plotly's own type and HTML.

    By Plotly's default it has the former alone. A front end shows that with its own copy of
    plotly.js; the HTML that nbconvert exports shows nothing. The HTML brings plotly.js (5 MB) with
    the first figure of a kernel. Later figures use that, or load it from the web if it is gone.
    """

    # Plotly's own takes no notice of _repr_mimebundle_, and fails where nbformat is not installed
    _ipython_display_ = None

    def _repr_mimebundle_(self, *_: object, **__: object) -> dict[str, Any]:
        return {_MIMETYPE: json.loads(self.to_json()), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        plotly = json.loads(self.to_json())
        script = f"<script>if (!window.Plotly) {{ {get_plotlyjs()} }}</script>"
        return _HTML.format(
            library=script if _is_to_hold_library() else "",
            id=f"paceline-{uuid.uuid4()}",
            height=self.layout.height or 360,
            data=_in_script(plotly["data"]),
            layout=_in_script(plotly["layout"]),
            version=get_plotlyjs_version(),
        )


def _in_script(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c")  # no </script> ends the script


def _is_to_hold_library() -> bool:
    """Whether the output of the current cell is to have plotly.js: the first, and when run
    again.
    """
    find_shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    shell: Any = find_shell()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")  # not all front ends tell it
    if not _holders:
        _holders.append(cell)
        return True
    return cell is not None and _holders == [cell]
