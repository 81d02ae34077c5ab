"""Networks of four widths in one program against Keras's own ``fit``, for every row of the tests'
table.

Request: ``quick``. Answer: ``widths``; ``rows``, each with ``kinds``, the largest gaps ``weights,
optimizer, metrics, score`` (see `paceline.testing.same_answer.Gap`; the score divided by the size
of the loss), ``is_half``, and ``alone``, the reason why its networks are not merged.
"""

import json
import sys
from typing import Any

from tests.train.kinds import TABLE, WIDTHS, Row


def measured(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kinds": row.kinds,
        "is_half": row.is_half,
        "alone": row.alone,
        "weights": 0.0,
        "optimizer": 0.0,
        "metrics": 0.0,
        "score": 0.0,
    }
    try:
        gaps = row.merged_gaps()
    except ValueError as error:
        return {**found, "alone": str(error)}
    if gaps[0].alone:
        return {**found, "alone": gaps[0].alone}
    for name in ("weights", "optimizer", "metrics", "score"):
        found[name] = max(getattr(gap, name) for gap in gaps)
    found["score"] /= row.size
    return found


if __name__ == "__main__":
    rows = TABLE[-3:] if json.loads(sys.argv[1])["quick"] else TABLE
    print("\n" + json.dumps({"widths": WIDTHS, "rows": [measured(row) for row in rows]}))
