"""Installed packages for a test of entry points."""

from collections.abc import Mapping
from pathlib import Path


def installed(
    folder: Path, module: str, code: str, entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """Writes a package of one module, with its metadata, as an installer would.

    The folder has to be on ``sys.path``, as with ``monkeypatch.syspath_prepend(folder)`` or
    ``PYTHONPATH``.

    Args:
        folder: where packages are.
        module: name of the module, which is that of the package.
        code: the text of the module.
        entry_points: for each group, the object of the module for each name:
            ``{"paceline.strategies": {"mine": "MyStrategy"}}``.
    """
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8"
    )
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {module}:{item}" for name, item in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
