"""Eight given dense networks on Kuzushiji-MNIST, in a loop over Keras's `fit`.

`--units 100 --learning-rate 0.01` and the like train one network of your own instead.
"""

from exercise import finish, images
from networks import asked_for, compiled

(x, y), (x_test, y_test) = images("kmnist", "kmnist_mini")

found = []
for config in asked_for():
    model = compiled(x.shape[1:], **config)
    history = model.fit(
        x,
        y,
        epochs=config["epochs"],
        batch_size=config["batch_size"],
        validation_split=0.1,
        verbose=0,
    )
    accuracy = history.history["val_accuracy"][-1]
    print(config, accuracy)
    found.append((accuracy, config, model))

accuracy, config, model = max(found, key=lambda one: one[0])
finish(config, model.evaluate(x_test, y_test, verbose=0)[1])
