"""An objective that is not measured: what the error suggests."""

import pytest

from paceline.core import InvalidInput
from paceline.execute.measured_objective import check_objective

CLASSES = ("accuracy", "loss", "val_accuracy", "val_loss")
AMOUNTS = ("loss", "mae", "val_loss", "val_mae")


@pytest.mark.parametrize(
    ("metric", "names", "built_in", "fix"),
    [
        ("val_acc", CLASSES, True, "Did you mean 'val_accuracy'?"),
        ("val_sparse_categorical_accuracy", CLASSES, False, "Did you mean 'val_accuracy'?"),
        ("val_mean_absolute_error", AMOUNTS, False, "Did you mean 'val_mae'?"),
        ("val_mse", AMOUNTS, True, "Did you mean 'val_loss'?"),
        ("mean_squared_error", AMOUNTS, True, "Did you mean 'loss'?"),
        ("validation_accuracy", CLASSES, True, "Did you mean 'val_accuracy'? If not: For other"),
        ("val_auc", CLASSES, True, "For other metrics pass a build function of your own."),
        ("val_auc", CLASSES, False, "Add it to metrics=[...] in model.compile."),
        ("Val_Accuracy", CLASSES, False, "Did you mean 'val_accuracy'?"),
    ],
)
def test_a_misspelled_metric_suggests_a_measured_one(
    metric: str, names: tuple[str, ...], built_in: bool, fix: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_objective(metric, dict.fromkeys(names, ()), built_in=built_in)
    assert caught.value.fix.startswith(fix)
    if fix.endswith("?"):  # nothing else can be meant
        assert caught.value.fix == fix
