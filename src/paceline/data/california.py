"""California Housing from StatLib's file, in scikit-learn's form.

The file's columns: longitude, latitude, housingMedianAge, totalRooms, totalBedrooms, population,
households, medianIncome, medianHouseValue. Source: R. K. Pace, R. Barry, "Sparse Spatial
Autoregressions", Statistics and Probability Letters 33 (1997).
"""

import io
import tarfile
from pathlib import Path

import numpy as np

from paceline.core import InvalidInput
from paceline.data.trees import Array

FEATURES = (
    "MedInc",
    "HouseAge",
    "AveRooms",
    "AveBedrms",
    "Population",
    "AveOccup",
    "Latitude",
    "Longitude",
)
TARGET = "MedHouseVal"
_MEMBER = "CaliforniaHousing/cal_housing.data"


def read(path: Path) -> tuple[Array, Array]:
    """The 8 features, float64 (rows, 8), and the target in 100,000 dollars, float64 (rows,).

    Args:
        path: ``cal_housing.data``, or the ``.tgz`` archive that contains it.

    Raises:
        InvalidInput: damaged, incomplete, or another file.
    """
    try:
        text = path.read_text() if path.suffix == ".data" else _unpack(path)
        raw = (
            np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)
            if text.strip()
            else np.empty((0, 0))
        )
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if raw.shape[1] != 9 or len(raw) < 2 or not np.isfinite(raw).all() or np.any(raw[:, 6] <= 0):
        raise _damaged(path, f"it has {len(raw)} rows of {raw.shape[1]} columns")
    longitude, latitude, age, rooms, bedrooms, population, households, income, value = raw.T
    columns = (
        income,
        age,
        rooms / households,
        bedrooms / households,
        population,
        population / households,
    )
    return np.column_stack([*columns, latitude, longitude]), value / 1e5


def _unpack(path: Path) -> str:
    with tarfile.open(path, "r:gz") as archive:
        member = archive.extractfile(_MEMBER)
        return member.read().decode("ascii") if member is not None else ""


def _damaged(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        f"{path} cannot be read ({reason})",
        expected="StatLib's cal_housing.data: 9 numbers in each row, separated by commas",
        fix="The file is incomplete or damaged: delete it and download it again.",
    )
