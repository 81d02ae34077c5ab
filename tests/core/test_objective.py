"""Objectives: spellings of a direction, and the direction implied by a metric's name."""

import re
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import paceline
from paceline import InvalidInput, Objective

SPELLINGS = {
    "minimize": ("min", "minimize", "minimise", "MIN", "Minimize", " min "),
    "maximize": ("max", "maximize", "maximise", "MAX", "Maximise", " max "),
}


@pytest.mark.parametrize(
    ("direction", "spelling"), [(d, s) for d, each in SPELLINGS.items() for s in each]
)
def test_every_spelling_of_a_direction_is_the_same_objective(direction: str, spelling: str) -> None:
    one = Objective("val_x", spelling)
    assert (
        one
        == Objective("val_x", direction)
        == Objective.of("val_x", spelling)
        == Objective.of(("val_x", spelling))
    )
    assert one.direction == direction
    assert one.better(1.0, 2.0) == (direction == "minimize")
    assert one.loss(1.0) == (1.0 if direction == "minimize" else -1.0)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("val_acuracy", "val_accuracy"),
        ("val_los", "val_loss"),
        ("val_head_precison", "val_head_precision"),
        ("true_postives", "true_positives"),
    ],
)
def test_a_misspelt_metric_is_named(given: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(f"Did you mean {meant!r}? If not")):
        Objective(given)


@pytest.mark.parametrize("given", ["quality", "neg_mean_squared_error", "val_score"])
def test_a_metric_of_another_name_is_not_corrected(given: str) -> None:
    with pytest.raises(InvalidInput, match=r"a direction\. Pass"):
        Objective(given)


@given(st.text() | st.integers() | st.none() | st.booleans())
def test_invalid_directions_are_refused(direction: Any) -> None:
    if direction is not None and str(direction).strip().lower() not in sum(SPELLINGS.values(), ()):
        with pytest.raises(InvalidInput, match="direction"):
            Objective("val_loss", direction)


DECIDED = {
    "minimize": """
        loss val_loss val_head_loss valLoss ValLoss total_loss val_mse val_mae val_rmse
        val_mean_squared_error val_kl_divergence KLDivergence val_brier_score val_fid_score
        val_accuracy_head_loss val_false_positives val_false_alarm_rate val_binary_crossentropy
        val_log_cosh val_hinge nll val_negative_log_likelihood val_word_error_rate
        val_score_head_loss log_loss hamming_loss val_head_mae_2
    """,
    "maximize": """
        accuracy acc val_acc val_accuracy valAccuracy val_error_type_accuracy
        val_loss_head_accuracy val_false_alarm_auc val_auc val_auc_4 AUC val_f1_score F1Score
        val_macro_f1 val_r2_score val_mean_io_u MeanIoU val_top_5_categorical_accuracy
        val_precision_at_recall val_recall_at_5 val_true_positives val_cosine_similarity
        val_loss_head_f1_score roc_auc_score val_cost_r2 log_likelihood
    """,
}


@pytest.mark.parametrize(
    ("direction", "name"), [(d, n) for d, names in DECIDED.items() for n in names.split()]
)
def test_the_last_words_of_a_metric_decide_its_direction(direction: str, name: str) -> None:
    assert Objective(name).direction == direction


@pytest.mark.parametrize(
    "name",
    [
        *("score", "val_score", "test_score", "anomaly_score", "val_", "x", "_", "val_7"),
        *("val_gap", "val_accuracy_gap", "loss_ratio", "accuracy_drop"),
        *("neg_mean_squared_error", "neg_log_loss", "1-accuracy", "-loss", "one_minus_accuracy"),
    ],
)
def test_a_name_without_direction_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(f"objective=({name!r}, 'max')")):
        Objective(name)


@given(
    st.lists(
        st.sampled_from(
            ["error", "loss", "accuracy", "auc", "score", "false", "val", "head", "a1"]
        ),
        max_size=4,
    ),
    st.sampled_from(
        [
            "loss",
            "accuracy",
            "auc",
            "brier_score",
            "f1_score",
            "mean_squared_error",
            "false_positives",
        ]
    ),
    st.sampled_from(["", "_1", "_12"]),
)
def test_names_of_outputs_do_not_change_the_direction(
    words: list[str], metric: str, number: str
) -> None:
    assert Objective("_".join([*words, metric]) + number).direction == Objective(metric).direction


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            "max",
            " Minimize ",
            5,
            True,
            1.5,
            b"val_loss",
            "",
            "  ",
            {},
            {"val_loss": "min"},
            np.zeros(3),
            object,
        ),
        *([], (), ("a",), ("a", "b"), ("a", "min", "c"), ["val_loss", "val_accuracy"]),
        *((5, "max"), (None, "max"), ("val_loss", 5), ("val_loss", None)),
    ],
)
def test_invalid_objectives_are_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"objective is|direction is"):
        Objective.of(wrong)


def test_a_keras_metric_is_refused_with_its_name() -> None:
    with pytest.raises(InvalidInput, match="'val_auc' on the validation data"):
        Objective.of(keras.metrics.AUC(name="auc"))


def test_short_spellings_minimise_in_a_study(tmp_path: Any) -> None:
    def function(hp: Any) -> float:
        return float(hp.Int("x", 0, 3))

    for spelling in ("min", "minimize"):
        study = paceline.tune(
            function,
            objective=Objective("loss", spelling),
            search="grid",
            study=tmp_path / spelling,
            seed=1,
        )
        assert study.best.config == {"x": 0}
