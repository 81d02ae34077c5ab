"""What search and store cost per trial with the study in PostgreSQL or SQLite, beside readers.

Request: ``store`` (a URL; "sqlite" for a directory), ``trials, seed, together`` as in
`benchmarks.ours.overhead`, ``readers`` (a number). Answer: ``milliseconds`` per trial, and of
processor time of this process ``cpu_milliseconds``.

With ``"read": true``, ``readers`` readers of the study until standard input ends: each asks every
second for what is new. Prints ``ready``, and the answer ``events``, what they have read together.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.ours.overhead import run_trials
from paceline.store import open_store, study_directory

_NICENESS = 10  # that of the live page, which reads


def written(request: Mapping[str, Any], study: str) -> dict[str, float]:
    store = open_store(study_directory(study), writable=True)
    command = [sys.executable, "-m", "benchmarks.ours.postgres"]
    body = json.dumps({"read": True, "study": study, "readers": request["readers"]})
    readers = subprocess.Popen(
        [*command, body], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    next(iter(readers.stdout or ()))  # "ready"
    start, cpu = time.perf_counter(), time.process_time()
    run_trials(request["trials"], request["seed"], request["together"], store)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    out, _ = readers.communicate()
    events = json.loads(out)["events"]
    each = 1000 / float(request["trials"])
    return {"milliseconds": each * seconds, "cpu_milliseconds": each * cpu, "events": events}


def read(request: Mapping[str, Any]) -> dict[str, int]:
    os.nice(_NICENESS)
    ended = threading.Event()
    directory = study_directory(request["study"])
    stores = [open_store(directory, writable=False) for _ in range(request["readers"])]
    seen = [0] * len(stores)
    print("ready", flush=True)

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    while not ended.wait(0.0 if stores else None):
        for number, store in enumerate(stores):
            if store.last() > seen[number]:
                seen[number] += sum(1 for _ in store.events(seen[number]))
            if ended.wait(1.0 / len(stores)):
                break
    for store in stores:
        store.close()
    return {"events": sum(seen)}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked.get("read"):
        print(json.dumps(read(asked)))
    else:
        with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
            study = str(Path(folder) / "s") if asked["store"] == "sqlite" else asked["store"]
            print("\n" + json.dumps(written(asked, study)))
