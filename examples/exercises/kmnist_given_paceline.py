"""Eight given dense networks on Kuzushiji-MNIST, in one study of Paceline.

`--units 100 --learning-rate 0.01` and the like train one network of your own instead.
"""

from exercise import finish, images
from networks import asked_for, compiled

import paceline
from paceline.search import Given

(x, y), (x_test, y_test) = images("kmnist", "kmnist_mini")
configs = asked_for()


def build(hp):
    return compiled(
        x.shape[1:],
        layers=hp.Int("layers", 1, 5),
        units=hp.Int("units", 8, 512),
        activation=hp.Choice("activation", ["relu", "sigmoid"]),
        optimizer=hp.Choice("optimizer", ["adam", "nadam", "rmsprop", "sgd"]),
        learning_rate=hp.Float("learning_rate", 1e-5, 1.0, sampling="log"),
        weight_decay=hp.Float("weight_decay", 0.0, 0.1),
    )


study = paceline.tune(
    build,
    (x, y),
    "val_accuracy",
    search=Given(configs),
    trials=len(configs),
    epochs=paceline.Int("epochs", 1, 50),
    batch_size=paceline.Int("batch_size", 8, 512),
    validation=0.1,
    schedule="full",
    final=False,
)
for trial in study.trials:
    print(trial.config, trial.score)

finish(study.best.config, study.best_model().evaluate(x_test, y_test, verbose=0)[1])
