"""Tables as they are written: decimal commas, percent signs, currencies, dates, encodings, row
numbers, names twice.
"""

import codecs
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.core import InvalidInput
from paceline.data import Dataset, load, loading, notation, prepare, split
from paceline.data.splits import split_with

load_dataset: Any = loading.load_dataset

ROWS = 40
TIMES = np.arange(ROWS)
RANDOM = np.random.default_rng(0)
VALUES = np.round(RANDOM.normal(100, 50, ROWS), 1)


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {"b": ["x", "y", "z", "z"] * (ROWS // 4), **columns, "y": [0.5, 1.5] * (ROWS // 2)}
    )


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def column(data: Dataset, name: str = "c") -> Any:
    return data.x[:, [one.name for one in data.columns].index(name)]


def german(number: float, decimals: int = 1) -> str:
    return f"{number:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


@pytest.mark.parametrize(
    ("texts", "numbers", "use"),
    [
        ([german(v) for v in VALUES], VALUES, "a number (decimal comma)"),
        ([german(1000 * v, 2) for v in VALUES], 1000 * VALUES, "a number (decimal comma)"),
        ([f"{1000 * v:,.0f}" for v in VALUES], np.round(1000 * VALUES), "a number (decimal point)"),
        ([f"{v}%" for v in VALUES], VALUES, "a number (decimal point, in percent)"),
        (
            [f"{v} %".replace(".", ",") for v in VALUES],
            VALUES,
            "a number (decimal comma, in percent)",
        ),
        (
            [f"€ {1000 * v:,.0f}" for v in VALUES],
            np.round(1000 * VALUES),
            "a number (decimal point, in €)",
        ),
        ([f"-${v}" for v in abs(VALUES)], -abs(VALUES), "a number (decimal point, in $)"),
        ([f"{german(v)} EUR" for v in VALUES], VALUES, "a number (decimal comma, in EUR)"),
        (
            [f"{1000 * v:_.0f}".replace("_", "\u202f") for v in VALUES],
            np.round(1000 * VALUES),
            "a number (decimal point)",
        ),
        ([str(v).replace("-", "\u2212") for v in VALUES], VALUES, "a number (decimal point)"),
        (
            [f"2024-01-{1 + t % 28:02d}" for t in TIMES],
            19723 + TIMES % 28,
            "a date: days since 1970",
        ),
        (
            [f"{1 + t % 28:02d}.01.2024" for t in TIMES],
            19723 + TIMES % 28,
            "a date: days since 1970",
        ),
        (
            [f"01/{1 + t % 28:02d}/2024" for t in TIMES],
            19723 + TIMES % 28,
            "a date: days since 1970",
        ),
        ([f"Jan {1 + t % 28}, 2024" for t in TIMES], 19723 + TIMES % 28, "a date: days since 1970"),
        (
            [f"2024-01-01T{t % 24:02d}:00:00+00:00" for t in TIMES],
            19723 + TIMES % 24 / 24,
            "a date: days since 1970",
        ),
    ],
)
def test_texts_that_are_numbers_or_dates(texts: list[str], numbers: Any, use: str) -> None:
    data = load(table(c=texts), target="y")
    np.testing.assert_allclose(column(data), numbers, rtol=1e-6)
    assert dict(data.became)["c"] == use
    assert any("'c' contains" in note for note in data.notes)
    gaps = load(table(c=[None, "-", *texts[2:]]), target="y")
    assert np.isnan(column(gaps)).tolist() == [True, True] + [False] * (ROWS - 2)
    assert "2 missing values filled with the median" in dict(gaps.became)["c"]
    # further rows are read as those were by which the column was learnt, however few
    parts = split(data)
    assert parts.preparation is not None
    one = prepare(parts, table(c=texts).iloc[[3]])
    np.testing.assert_array_equal(one, parts.preparation.apply(data.x[3:4]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20), st.sampled_from([",", "."]))
def test_formatted_numbers_are_read_back(cents: list[int], mark: str) -> None:
    amounts = np.asarray(cents) / 100
    texts = pd.Series([f"{a:,.2f}" if mark == "." else german(a, 2) for a in amounts])
    form = notation.recognise(texts, None)
    assert form is not None
    np.testing.assert_allclose(notation.read(texts, form), amounts, rtol=1e-12)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["€ 5", "$ 6"], "amounts in \\$ and in €; expected one currency"),
        (["5%", "0.3"], "percentages and plain numbers, such as '0.3'"),
        (["1,5", "2.5"], "'1,5' and '2.5'; expected one decimal mark"),
        (["01/02/2024", "02/01/2024"], "day or the month first .*expected unambiguous dates"),
    ],
)
def test_ambiguous_notations_are_refused(texts: list[str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        load(table(c=texts * (ROWS // 2)), target="y")


def test_other_texts_stay_texts() -> None:
    for texts in (
        ["12:30", "13:40"],
        ["1-2", "3-4"],
        ["a1", "a2"],
        ["10.0.0.1", "10.0.0.2"],
        ["<5", "5"],
    ):
        data = load(table(c=texts * (ROWS // 2)), target="y")
        assert dict(data.became)["c"] == "2 categories"


def test_other_columns_resolve_ambiguous_numbers(tmp_path: Path) -> None:
    rows = [
        f"{v:.0f},{100 + i % 900};{'3,5' if i % 2 else '4,25'};{i % 2}"
        for i, v in enumerate(abs(VALUES) + 1)
    ]
    data = load(written(tmp_path / "a.csv", "\n".join(["a;b;y", *rows])), target="y", test=None)
    assert column(data, "a").max() < 1000
    assert data.notes[0] == "Numbers of a.csv were read with a decimal comma."
    alone = [f"{1 + i % 9},{100 + i};{i % 2}" for i in TIMES]
    path = written(tmp_path / "b.csv", "\n".join(["a;y", *alone]))
    with pytest.raises(InvalidInput, match=r"'1,100', which is ambiguous.*--decimal"):
        load(path, target="y", test=None)
    assert column(load(path, target="y", test=None, decimal=","), "a")[0] == np.float32(1.1)
    assert column(load(path, target="y", test=None, decimal="."), "a")[0] == 1100
    with pytest.raises(InvalidInput, match="decimal is 'comma'"):
        load(path, target="y", decimal="comma")  # type: ignore[call-overload]


def test_a_table_of_decimal_commas_is_the_same_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": VALUES, "b": 1000.5 * VALUES, "kind": ["u", "v"] * (ROWS // 2), "y": VALUES * 2}
    )
    frame.to_csv(tmp_path / "points.csv", index=False)
    frame.to_csv(tmp_path / "commas.csv", index=False, sep=";", decimal=",")
    grouped = frame.assign(
        **{name: frame[name].map(lambda v: german(v, 3)) for name in ("a", "b", "y")}
    )
    grouped.to_csv(tmp_path / "grouped.csv", index=False, sep=";")
    loaded = [
        load(tmp_path / f"{name}.csv", target="y", seed=1)
        for name in ("points", "commas", "grouped")
    ]
    for data in loaded[1:]:
        np.testing.assert_array_equal(data.x, loaded[0].x)
        np.testing.assert_array_equal(data.y_test, loaded[0].y_test)
        assert data.task == "regression"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "größe,kind,y\n" + "".join(
        f"{t}.5,{'Größe' if t % 2 else 'klein'},{t % 2}\n" for t in TIMES
    )
    data = load(written(tmp_path / "t.csv", text, encoding), target="y", test=None)
    assert data.feature_names == ("größe", "kind=Größe", "kind=klein")
    assert any("not UTF-8" in note for note in data.notes) == (
        encoding not in ("utf-8", "utf-8-sig")
    )


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    for content in (
        bytes(range(256)) * 4,
        b"a,b\n1,\x812\n" * 20,
        codecs.BOM_UTF16_LE + b"\x00\xd8" * 50,
    ):
        (tmp_path / "bad.csv").write_bytes(content)
        with pytest.raises(InvalidInput, match=r"bad\.csv"):
            load(tmp_path / "bad.csv", target="b")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """pandas would call the second ``y.1``: the target would be among the inputs."""
    for header in ("a,b,y,y", "a,a,b,y", "a,b, y,y"):
        path = written(tmp_path / "t.csv", header + "\n" + "1,2,3,3\n4,5,6,6\n" * 10)
        with pytest.raises(InvalidInput, match=r"t\.csv has more than one column named '[ya]'"):
            load(path, target="y")
    path = written(tmp_path / "t.csv", "a,y.1,y\n" + "1,2,3\n4,5,6\n" * 10)
    assert load(path, target="y").feature_names == ("a", "y.1")


def test_a_column_that_determines_the_target_is_noted() -> None:
    noise = np.random.default_rng(1).normal(size=ROWS)
    classes = pd.DataFrame(
        {"a": noise, "copy": [7, 9] * (ROWS // 2), "y": ["no", "yes"] * (ROWS // 2)}
    )
    amounts = pd.DataFrame({"a": noise, "copy": VALUES, "y": VALUES})
    for frame in (classes, amounts):
        warned = [note for note in load(frame, target="y").notes if note.startswith("Warning")]
        assert len(warned) == 1
        assert "'copy' determines the target" in warned[0]
        assert not any(
            "Warning" in note for note in load(frame.drop(columns="copy"), target="y").notes
        )


def test_row_numbers_and_texts_that_name_the_rows_are_left_out() -> None:
    names = [f"person {t}" for t in TIMES]
    frame = table(id=TIMES + 1, year=1990 + TIMES, name=names)
    data = load(frame, target="y", test=0.25)
    assert [name for name in data.feature_names if "=" not in name] == ["year"]
    became = dict(data.became)
    assert became["id"] == "left out: it numbers the rows"
    assert became["name"].startswith("left out: nearly every row has its own text")
    assert became["b"] == "3 categories"
    # a row of numbers has all of them, so that a model takes the user's rows
    assert [one.name for one in data.columns] == ["b", "id", "year"]
    orders = {
        name: RANDOM.permutation(ROWS) + 500
        for name in (
            "customer_id",
            "OrderID",
            "Nr.",
            "rank",
            "price_index",
            "atomic_number",
            "paid",
        )
    }
    keys = load(table(**orders), target="y")
    kept = [name for name in keys.feature_names if "=" not in name]
    assert kept == ["rank", "price_index", "atomic_number", "paid"]
    few = load(table(name=[f"n{t % 9}" for t in TIMES]), target="y")
    assert dict(few.became)["name"] == "9 categories"


def test_a_target_of_currency_amounts_is_numeric(tmp_path: Path) -> None:
    rows = [f'{v},"€ {1000 * v:,.0f}"' for v in abs(VALUES)]
    path = written(tmp_path / "prices.csv", "\n".join(["a,price", *rows]))
    data = load(path, target="price", test=None)
    assert data.task == "regression"
    np.testing.assert_allclose(data.y, np.round(1000 * abs(VALUES)), rtol=1e-6)
    assert any("target price contains numbers" in note and "in €" in note for note in data.notes)
    assert load(path, target="price", task="classification").num_classes == len(np.unique(VALUES))
    in_memory = load((VALUES[:, None], [f"{v}%" for v in VALUES]))
    np.testing.assert_allclose(in_memory.y, VALUES, rtol=1e-6)
    odd = written(tmp_path / "odd.csv", "\n".join(["a,price", *rows, '1,"ask us"']))
    with pytest.raises(InvalidInput, match="target price contains 'ask us' in 1 of 41 rows"):
        load(odd, target="price")


@pytest.mark.parametrize("target", [["y"], ("y",), 3.5, True, {"y": 1}])
def test_a_target_has_one_name(target: Any) -> None:
    with pytest.raises(InvalidInput, match=r"target is .*expected the name of one of the columns"):
        load(table(), target=target)
    assert load(pd.DataFrame({0: VALUES, 1: VALUES + TIMES}), target=1).target_name == "1"


def test_large_float_classes_stay_apart() -> None:
    data = load((VALUES[:, None], np.where(TIMES % 2, 1e19, 2e19)), task="classification")
    assert data.class_names == ("1e+19", "2e+19")


@pytest.mark.parametrize("mark", [".", ","])
def test_numbers_are_read_as_the_nearest_there_are(tmp_path: Path, mark: str) -> None:
    numbers = [repr(float(number)) for number in TIMES * 0.1]  # 0.30000000000000004 and the like
    rows = [f"{number.replace('.', mark)};{k % 2}" for k, number in enumerate(numbers)]
    from_file = load(written(tmp_path / "a.csv", "\n".join(["n;y", *rows])), target="y", test=None)
    in_memory = load(
        pd.DataFrame({"n": list(map(float, numbers)), "y": TIMES % 2}), target="y", test=None
    )
    assert from_file.fingerprint == in_memory.fingerprint


# what the first version of Paceline made of these data, by whose fingerprints its studies know them
# again
_BEFORE = {
    "table": ("ec818ace7ece07ccfd12c7d44b5239e2", "9da07fe8f901db3b6dade6f7722d968d"),
    "images": ("f5a07e91ce36f0295a0e753bae08a4d0", "93a8abe51493f5d0e869815ac44983d6"),
    "arrays": ("ca4af0e4dc7726d7c774aee4dfd36811", "464f8c0831f694fadd57d670a8569d91"),
    "pair": ("5b093d8a9f3f148e6121298b51ed2db3", "64fb29cacd47951c8ca36f8785fd3907"),
}


@pytest.mark.parametrize("form", list(_BEFORE))
def test_data_of_earlier_studies_are_read_as_before(tmp_path: Path, form: str) -> None:
    rows = np.arange(40)
    frame = pd.DataFrame(
        {
            "n": np.where(rows % 7 == 0, np.nan, rows * 0.1),
            "t": [f"c{k % 35}" for k in rows],
            "d": [f"{k % 9},5" for k in rows],
            "id": rows,
            "y": rows % 3 + 1,
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    pixels = (rows[:, None, None] * np.ones((40, 3, 3))).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=rows % 2)
    sources: dict[str, tuple[Any, dict[str, Any]]] = {
        "table": (tmp_path / "a.csv", {"target": "y"}),
        "images": (tmp_path / "a.npz", {}),
        "arrays": ((rows[:, None] * np.array([1.0, 2.5]), rows % 3 * 2 + 1), {"test": 0.2}),
        "pair": ((frame.drop(columns="y"), frame["y"]), {}),
    }
    source, options = sources[form]
    data = load_dataset(source, **options, rule=1)
    parts = split_with("columns", data, seed=3, validation=0.25, batch_rows=4)
    assert (data.fingerprint, parts.fingerprint) == _BEFORE[form]
