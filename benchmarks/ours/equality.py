"""Two epochs in a cohort against two epochs of Keras's own ``fit``, for every row of the tests'
table.

Request: ``quick``. Answer: ``rows``, each with ``kinds``, the gaps ``weights, optimizer, metrics,
score`` (see `paceline.testing.same_answer.Gap`; the score divided by ``size``) and ``alone``, the
reason why it trains alone; and ``rows_trained, size, held_out``, the numbers of rows.
"""

import json
import sys
from typing import Any

from tests.train.kinds import HELD_OUT, ROWS, SIZE, TABLE, Row


def measured(row: Row) -> dict[str, Any]:
    gap = row.gap()
    return {
        "kinds": row.kinds,
        "weights": gap.weights,
        "optimizer": gap.optimizer,
        "metrics": gap.metrics,
        "score": gap.score / row.size,
        "size": row.size,
        "alone": gap.alone,
    }


if __name__ == "__main__":
    rows = TABLE[-3:] if json.loads(sys.argv[1])["quick"] else TABLE
    found = [measured(row) for row in rows]
    counts = {"rows_trained": ROWS, "size": SIZE, "held_out": HELD_OUT}
    print("\n" + json.dumps({"rows": found, **counts}))
