"""The effect of each technique: one network on MNIST, changed in one thing from rung to rung.

Four hidden layers of 60 units, batches of 64, 10 epochs, images in [0, 1], as in similar published
comparisons; 10 % of the training images are for validation. Each rung keeps the changes before it:

naive       sigmoid, Glorot's initial weights (Keras's default), SGD with learning rate 0.01
he_normal   He's initial weights
relu        ReLU instead of the sigmoid (and as an alternative: elu)
adam        Adam instead of SGD
batch_norm  batch normalisation after each hidden layer's weights
dropout     dropout of 20 % after each hidden layer

ladder   Every rung on five seeds, each with its own split, initial weights and batches: training
         and validation accuracy after each epoch with bands, test accuracies with intervals, and
         which steps are significant.

A published ladder reports 11.3, 37.2, 92.2, 95.8, 96.5 and 88.9 %, from one seed each. The results
are compared with it: above all, whether dropout costs eight points, as its last figure says.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

import paceline
from paceline.recipes import RecipeRun, images, writing

HIDDEN, UNITS, BATCH_SIZE, EPOCHS, SEEDS, VALIDATION = 4, 60, 64, 10, 5, 0.1
QUICK_ROWS, QUICK_EPOCHS, QUICK_SEEDS = 3000, 2, 2
PUBLISHED = {
    "naive": 0.113,
    "he_normal": 0.372,
    "relu": 0.922,
    "adam": 0.958,
    "batch_norm": 0.965,
    "dropout": 0.889,
}
STEPS = [
    ("naive", "he_normal"),
    ("he_normal", "relu"),
    ("relu", "elu"),
    ("relu", "adam"),
    ("adam", "batch_norm"),
    ("batch_norm", "dropout"),
]


def network(
    activation: str = "relu",
    init: str = "he_normal",
    optimizer: str = "adam",
    norm: bool = False,
    dropout: float = 0.0,
) -> Callable[[Any], Any]:
    """The build function of one rung."""

    def build(_: Any) -> Any:
        import keras
        from keras import layers

        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten()])
        for _number in range(HIDDEN):
            model.add(layers.Dense(UNITS, kernel_initializer=init))
            if norm:
                model.add(layers.BatchNormalization())
            model.add(layers.Activation(activation))
            if dropout:
                model.add(layers.Dropout(dropout))
        model.add(layers.Dense(10, activation="softmax"))
        rule = keras.optimizers.Adam(0.001) if optimizer == "adam" else keras.optimizers.SGD(0.01)
        model.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


RUNGS = {
    "naive": network("sigmoid", "glorot_uniform", "sgd"),
    "he_normal": network("sigmoid", optimizer="sgd"),
    "relu": network("relu", optimizer="sgd"),
    "elu": network("elu", optimizer="sgd"),
    "adam": network(),
    "batch_norm": network(norm=True),
    "dropout": network(norm=True, dropout=0.2),
}


def ladder(run: RecipeRun) -> None:
    """Measures all rungs."""
    data = images.load(run, QUICK_ROWS)
    found = paceline.ladder(
        RUNGS,
        data,
        steps=STEPS,
        seeds=QUICK_SEEDS if run.quick else SEEDS,
        objective="val_accuracy",
        epochs=QUICK_EPOCHS if run.quick else EPOCHS,
        batch_size=BATCH_SIZE,
        validation=VALIDATION,
        budget=run.budget,
        seed=run.seed,
        study=run.directory,
        display=run.display,
    )
    for sentence in found.sentences:
        run.say(sentence)
    frame = found.summary()
    frame.insert(1, "published", [PUBLISHED.get(name) for name in frame["rung"]])
    writing.table(run, "ladder", frame, shown=len(frame))
    _curves(run, found.curves())
    if not run.quick:
        published(run, found)
    run.say(f"A page with all of it: {found.directory / 'ladder.html'}.")


def _curves(run: RecipeRun, curves: pd.DataFrame) -> None:
    for metric, part in (("accuracy", "Training"), ("val_accuracy", "Validation")):
        lines = []
        for number, (name, rows) in enumerate(curves.groupby("rung", sort=False)):
            spread = {"type": "data", "array": rows[f"{metric}_sd"].tolist(), "visible": True}
            lines.append(
                writing.line(
                    number, str(name), rows["epoch"].tolist(), rows[metric].tolist(), error_y=spread
                )
            )
        title = f"{part} accuracy: mean over seeds, and one standard deviation"
        writing.picture(run, f"curves_{part.lower()}", lines, title=title, xaxis_title="epochs")


def published(run: RecipeRun, found: paceline.Ladder) -> None:
    """Compares the published figures with the distribution of our seeds."""
    scores = {str(name): rows["score"].tolist() for name, rows in found.scores().groupby("rung")}
    for name, claimed in PUBLISHED.items():
        if name in scores:
            run.say(
                f"{name}: published {claimed:.3f}, {_weighed(claimed, scores[name], found.metric)}."
            )
    before, after = scores.get("batch_norm"), scores.get("dropout")
    if before is None or after is None:
        return
    claimed = PUBLISHED["dropout"] - PUBLISHED["batch_norm"]
    differences = [b - a for a, b in zip(before, after, strict=True)]
    low, high = writing.one_more(differences, "difference")
    verdict = (
        "confirmed"
        if low <= claimed <= high and high < 0
        else "refuted"
        if claimed < low
        else "not decided"
    )
    listed = ", ".join(f"{difference:+.4f}" for difference in differences)
    run.say(
        f"The published change of accuracy by dropout is {claimed:+.3f}; that is {verdict}: "
        f"seed by seed {listed}."
    )


def _weighed(claimed: float, scores: Sequence[float], metric: str) -> str:
    """Whether a published figure is plausible as one more seed of ours."""
    low, high = writing.one_more(scores, metric)
    if math.isnan(low):
        ours = f"each of {len(scores)} seeds" if len(scores) > 1 else "one seed"
        return f"ours {scores[0]:.4f} with {ours}, which does not show how far others may differ"
    verb = "could" if low <= claimed <= high else "could not"
    return f"which {verb} be one of our seeds (19 of 20 would lie from {low:.4f} to {high:.4f})"
