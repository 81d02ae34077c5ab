"""Six techniques on MNIST, one added to the other, each on five seeds, with `paceline.ladder`."""

from exercise import QUICK, finish, images
from networks import RUNGS

import paceline

(x, y), (x_test, y_test) = images("mnist")

ladder = paceline.ladder(
    {name: lambda hp, build=build: build(x.shape[1:]) for name, build in RUNGS.items()},
    (x, y, x_test, y_test),
    seeds=2 if QUICK else 5,
    objective="val_accuracy",
    epochs=1 if QUICK else 10,
    batch_size=64,
    validation=0.1,
)
print(*ladder.sentences, sep="\n")

accuracies = {rung.name: rung.score.value for rung in ladder.rungs}
best = max(accuracies, key=accuracies.get)
finish({"rung": best}, accuracies[best], accuracies=accuracies)
