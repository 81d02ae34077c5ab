"""CSV, Parquet and data frames: columns become features, gaps are filled from the training part,
damage is reported.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paceline.core import InvalidInput, MissingData
from paceline.data import TableFeatures, load, prepare, split


def people(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Numbers, categories, dates and gaps; the target ``buys`` has two classes."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows).astype(float),
            "city": random.choice(["Rome", "Oslo", "Bern"], rows),
            "member": random.random(rows) < 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(rows), unit="D"),
            "buys": np.where(np.arange(rows) % 3 == 0, "yes", "no"),
        }
    )
    frame.loc[[3, 7], "age"] = np.nan
    frame.loc[[5], "city"] = None
    return frame


def test_columns_become_features() -> None:
    data = load(people(), target="buys")
    cities = ("city=Bern", "city=Oslo", "city=Rome", "city=(missing)")
    assert data.feature_names == ("age", *cities, "member", "since")
    assert (data.input_shape, data.task, data.class_names, data.target_name) == (
        (7,),
        "classification",
        ("no", "yes"),
        "buys",
    )
    assert "2 missing values in 'age' filled with the median of the training rows." in data.notes
    assert "1 missing value in 'city' kept as a category." in data.notes
    parts = split(data, standardize=False)
    assert parts.x_train.dtype == np.float32
    assert parts.input_shape == (7,)
    row = int(np.flatnonzero(parts.train_rows == 5)[0]) if 5 in parts.train_rows else None
    block = parts.x_train[:, 1:5]
    np.testing.assert_array_equal(block.sum(axis=1), 1)
    if row is not None:
        assert block[row].tolist() == [0, 0, 0, 1]


def test_missing_values_are_filled_from_training_rows() -> None:
    frame = people()
    data = load(frame, target="buys", test=0.25)
    parts = split(data, validation=0.3, standardize=False)
    raw = data.x[parts.train_rows, 0]
    median = np.median(raw[~np.isnan(raw)])
    assert isinstance(parts.preparation, TableFeatures)
    assert parts.preparation.fill[0] == median
    for part, rows in (
        (parts.x_train, data.x[parts.train_rows]),
        (parts.x_val, data.x[parts.val_rows]),
        (parts.x_test, data.x_test),
    ):
        np.testing.assert_allclose(part[:, 0], np.where(np.isnan(rows[:, 0]), median, rows[:, 0]))
        assert np.isfinite(part).all()


def test_parameters_depend_on_training_rows_alone() -> None:
    frame = people()
    before = split(load(frame, target="buys", test=0.25), validation=0.3)
    positions = np.setdiff1d(np.arange(60), np.flatnonzero(np.isin(frame["since"], _dates(before))))
    frame.loc[positions, "age"] = 1e6
    after = split(load(frame, target="buys", test=0.25), validation=0.3)
    np.testing.assert_array_equal(before.train_rows, after.train_rows)
    assert isinstance(before.preparation, TableFeatures)
    assert isinstance(after.preparation, TableFeatures)
    np.testing.assert_array_equal(before.preparation.mean, after.preparation.mean)
    np.testing.assert_array_equal(before.x_train, after.x_train)


def _dates(parts: Any) -> Any:
    """The dates (a key of the rows) in the training part."""
    days = parts.dataset.x[parts.train_rows, -1]
    return pd.Timestamp(0) + pd.to_timedelta(days, unit="D")


def test_standardization_leaves_one_hot_features_alone() -> None:
    parts = split(load(people(), target="buys"))
    names = parts.feature_names
    hot = [index for index, name in enumerate(names) if name.startswith("city=")]
    assert set(np.unique(parts.x_train[:, hot])) == {0.0, 1.0}
    numeric = [index for index in range(len(names)) if index not in hot]
    np.testing.assert_allclose(parts.x_train[:, numeric].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(parts.x_train[:, numeric].std(axis=0), 1, atol=1e-4)


def test_many_categories_share_one_feature_and_texts_of_their_own_are_left_out() -> None:
    rows = 400
    frame = pd.DataFrame(
        {
            "code": [f"c{min(index % 60, 50):02d}" for index in range(rows)],
            "name": [f"person {index}" for index in range(rows)],
            "y": np.arange(rows) % 2,
            "empty": np.full(rows, np.nan),
        }
    )
    data = load(frame, target="y")
    assert len(data.feature_names) == 30
    assert data.feature_names[-1] == "code=(other)"
    assert any("51 categories" in note for note in data.notes)
    assert any(
        "'name' is left out: nearly every row has its own text" in note for note in data.notes
    )
    assert any("'empty' is left out: it has no values" in note for note in data.notes)
    parts = split(data, validation=(frame.assign(code="never seen").head(3), frame["y"].head(3)))
    np.testing.assert_array_equal(parts.x_val[:, -1], 1)
    np.testing.assert_array_equal(parts.x_val.sum(axis=1), 1)


def test_every_split_has_inputs_of_one_width() -> None:
    frame = people(40)
    frame.loc[11, "city"] = "Atlantis"
    data = load(frame, target="buys")
    assert len({split(data, seed=seed, validation=0.4).input_shape for seed in range(12)}) == 1


def test_csv_gzip_and_parquet_are_the_same_data(tmp_path: Path) -> None:
    frame = people().drop(columns="since")
    frame.to_csv(tmp_path / "p.csv", index=False)
    frame.to_csv(tmp_path / "p.csv.gz", index=False)
    frame.to_csv(tmp_path / "s.csv", index=False, sep=";")
    frame.to_parquet(tmp_path / "p.parquet")
    loaded = [
        load(tmp_path / name, target="buys") for name in ("p.csv", "p.csv.gz", "s.csv", "p.parquet")
    ]
    assert len({data.fingerprint for data in loaded}) == 1
    assert loaded[0].x_test is not None
    assert (loaded[0].num_rows, len(loaded[0].x_test)) == (48, 12)


def test_csv_with_question_marks_row_numbers_and_a_test_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": ["1", "?", "3", "4"] * 5, "b": ["x", "y"] * 10, "price": np.linspace(0.5, 2, 20)}
    )
    frame.to_csv(tmp_path / "train.csv")
    frame.head(4).to_csv(tmp_path / "test.csv")
    data = load(tmp_path / "train.csv", target="price", test=tmp_path / "test.csv")
    assert data.x_test is not None
    assert (data.task, data.num_rows, len(data.x_test), data.num_outputs) == (
        "regression",
        20,
        4,
        1,
    )
    assert data.feature_names == ("a", "b=x", "b=y")
    assert any("'Unnamed: 0' is left out: it numbers the rows" in note for note in data.notes)


def test_pandas_types() -> None:
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None, 3, 4], dtype="Int64"),
            "bool": pd.array([True, None, False, True], dtype="boolean"),
            "text": pd.array(["a", None, "b", "a"], dtype="string"),
            "kind": pd.Categorical(["u", "v", "u", None]),
            "span": pd.to_timedelta([1, 2, 3, 4], unit="s"),
            "zoned": pd.date_range("2024-01-01", periods=4, tz="Europe/Rome"),
            "wild": [1.0, np.inf, 2.0, 3.0],
            0: [1, 2, 3, 4],
        }
    )
    data = load((frame, [0, 1, 0, 1]))
    assert [column.name for column in data.columns if column.kind == "categorical"] == [
        "text",
        "kind",
    ]
    assert data.columns[-1].name == "0"
    assert np.isnan(data.x[1, [0, 1, 6]]).all()
    parts = split(data, validation=0.5)
    assert np.isfinite(parts.x_train).all()
    assert parts.val_rows is not None
    np.testing.assert_array_equal(prepare(parts, frame.iloc[parts.val_rows]), parts.x_val)


def test_weight_column() -> None:
    frame = people().assign(weight=np.arange(60.0))
    data = load(frame, target="buys", sample_weight="weight")
    assert data.sample_weight is not None
    assert data.sample_weight.tolist() == list(range(60))
    assert "weight" not in data.feature_names
    with pytest.raises(InvalidInput, match="no column 'mass'"):
        load(frame, target="buys", sample_weight="mass")


@pytest.mark.parametrize(
    ("frame", "target", "says"),
    [
        (
            people(),
            "sells",
            "no column 'sells'; expected a target among its columns: 'age', 'city'",
        ),
        (people(), "BUYS", "Did you mean 'buys'"),
        (
            people(),
            None,
            "target is not given for the data frame; expected the name of one of its columns: "
            "'age'",
        ),
        (people()[["buys"]], "buys", "no column besides 'buys'"),
        (people().head(0), "buys", "has no rows"),
        (
            people().assign(buys=np.nan),
            "buys",
            "target buys is missing or infinite in 60 of 60 rows",
        ),
        (
            people().assign(city=pd.Series([[1, 2]] * 60, dtype=object)),
            "buys",
            "column 'city' contains values of type list",
        ),
        (
            pd.DataFrame({"id": [f"i{n}" for n in range(60)], "y": [0, 1] * 30}),
            "y",
            "no column of the table can be used",
        ),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "a", "y"]), "y", "more than one column named a"),
    ],
)
def test_invalid_tables_are_refused(frame: pd.DataFrame, target: str | None, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        load(frame, target=target)


def test_validation_and_test_tables_that_do_not_fit() -> None:
    data = load(people(), target="buys")
    with pytest.raises(InvalidInput, match="x_val lacks the columns city"):
        split(data, validation=(people().drop(columns="city"), people()["buys"]))
    with pytest.raises(InvalidInput, match="expected a data frame"):
        split(data, validation=(np.ones((3, 4)), ["yes"] * 3))
    with pytest.raises(InvalidInput, match="y_val contains the classes maybe"):
        split(data, validation=(people().head(1), ["maybe"]))
    with pytest.raises(InvalidInput, match="one of x and x_test"):
        load((people(), people()["buys"], np.ones((2, 5)), ["yes", "no"]))


def test_damaged_files(tmp_path: Path) -> None:
    frame = people()
    frame.to_csv(tmp_path / "p.csv.gz")
    frame.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv.gz", "p.parquet"):
        whole = (tmp_path / name).read_bytes()
        for content in (whole[: len(whole) // 2], b"", b"junk"):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(InvalidInput, match=f"{name} cannot be read as a table"):
                load(tmp_path / name, target="buys")
    for content in (b"", b"a,b\n1,2\n1,2,3\n", gzip.compress(b"a,b\n1,2\n"), b"\xff\xfe\x00x"):
        (tmp_path / "bad.csv").write_bytes(content)
        with pytest.raises(InvalidInput, match=r"bad\.csv"):
            load(tmp_path / "bad.csv", target="b")
    with pytest.raises(MissingData, match=r"absent\.csv does not exist"):
        load("absent.csv", target="b")
