"""Tunes a built-in network on a table with texts and gaps, and predicts from rows of that table."""

import numpy as np
import pandas as pd

import paceline

rng = np.random.default_rng(0)
rows = 600
flats = pd.DataFrame(
    {
        "square_metres": rng.uniform(20, 150, rows).round(),
        "quarter": rng.choice(["north", "south", "harbour"], rows),
        "built": rng.integers(1900, 2020, rows).astype(float),
    }
)
flats["rent"] = (
    9.0 * flats["square_metres"] + 300.0 * (flats["quarter"] == "harbour") + rng.normal(0, 30, rows)
)
flats.loc[::17, "built"] = np.nan  # gaps are filled

study = paceline.tune(
    "mlp",
    flats,
    "val_loss",
    target="rent",
    fixed={"layers": 1, "activation": "relu", "optimizer": "adam", "batch_norm": False},
    epochs=4,
    trials=5,
    final=False,
    seed=1,
    study="runs/data_frame",
)
print(study.columns().to_string(index=False))
print(study.trials_dataframe()[["number", "state", "score"]].to_string(index=False))

model = study.best_model()  # takes the table's own columns: scaling and filling are part of it
new = flats.drop(columns="rent").head(3)
print(new.assign(rent=model.predict(study.prepare(new), verbose=0)).to_string(index=False))
