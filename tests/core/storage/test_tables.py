"""Tables come back as they were written, and a fault is told by its row."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.tables import (
    Form,
    columns,
    read_cells,
    read_table,
    spreadsheet_plain,
    spreadsheet_safe,
    table_text,
    write_table,
)
from sdd_bench.core.types import Split

FORM = Form(ManifestError, "Make it again.")
EXACT = Form(ManifestError, "Make it again.", exact=True)
BY_HAND = Form(ManifestError, "Make it again.", by_hand=True)


@dataclass(frozen=True)
class Person:
    """A row of every kind of column."""

    name: str
    split: Split
    age: int
    height: float | None
    n_shoes: int | None = None
    note: str = ""


PEOPLE = (
    Person("=SUM(A1)", Split.TRAIN, 3, 0.1 + 0.2, 2, 'a "quoted", note'),
    Person("two\nlines", Split.TEST, -4, None),
    Person("'-x", Split.VAL, 0, -math.inf, 0, "é"),
)


def test_rows_come_back_equal_with_every_digit(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", Person, PEOPLE)
    found = read_table(tmp_path / "t.csv", Person, EXACT)
    assert tuple(found.values()) == PEOPLE
    assert list(found) == [2, 3, 5]


def test_a_long_table_is_read_row_by_row_and_equal_texts_are_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(path, Person, [Person("a name", Split.TEST, age, None) for age in range(3)])
    names = [row.name for row in read_table(path, Person, EXACT).values()]
    assert names == ["a name"] * 3
    assert names[0] is names[1] is names[2]
    path.write_text(path.read_text() + "short,test\n")
    rows = read_cells(path, Person, EXACT)
    assert [next(rows)[1]["age"] for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(ManifestError, match=r"t\.csv:5: expected 6 cells, got 2"):
        next(rows)


def test_a_table_is_plain_csv() -> None:
    assert tuple(columns(Person)) == ("name", "split", "age", "height", "n_shoes", "note")
    assert table_text(Person, PEOPLE[:1]) == (
        "name,split,age,height,n_shoes,note\n"
        "'=SUM(A1),train,3,0.30000000000000004,2,\"a \"\"quoted\"\", note\"\n"
    )  # fmt: skip


def test_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", Person, ())
    assert read_table(tmp_path / "t.csv", Person, EXACT) == {}


def test_a_cell_can_be_given_other_digits() -> None:
    text = table_text(Person, PEOPLE[:1], cell=lambda row, column: f"{row.age:.2f}" if column == "age" else "")
    assert text.splitlines()[1] == ",,3.00,,,"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "t.csv:1: expected the columns name, split, age, height; got no header"),
        ("name,age\n", "t.csv:1: expected the columns split, height; got name, age"),
        ("name,split,age,height,age\n", "t.csv:1: expected each column once; got age twice"),
        ("name,split,age,height\na,train,1\n", "t.csv:2: expected 4 cells, got 3"),
        ("name,split,age,height\n\na,train,1,2,3\n", "t.csv:3: expected 4 cells, got 5"),
        ("name,split,age,height\na,train,x,2\n", "t.csv:2: age is 'x'; expected a whole number"),
        ("name,split,age,height\na,train,,2\n", "t.csv:2: age is ''; expected a whole number"),
        ('name,split,age,height\n"a\nb",train,1,x\n', "t.csv:2: height is 'x'; expected a number or nothing"),
        ("name,split,age,height\na,train,1,nan\n", "t.csv:2: height is 'nan'; expected a number or nothing"),
        ("name,split,age,height\na,dev,1,2\n", "t.csv:2: split is 'dev'; expected one of train, val, test"),
        ('name,split,age,height\n"a,1,2\n', "t.csv: cannot be read as a CSV file (unexpected end of data, row 2)"),
    ],
)
def test_a_fault_says_row_expected_got_and_what_to_do(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_table(path, Person, FORM)
    assert str(caught.value) == f"{tmp_path}/{reason}. Make it again."


def test_a_file_that_is_missing_or_no_text_is_the_error_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"No such file.*Make it again"):
        read_table(tmp_path / "none.csv", Person, FORM)
    with pytest.raises(ManifestError, match=r"not UTF-8 text.*Make it again"):
        read_table(tmp_path / "none.csv", Person, FORM, content=b"\xff\xfe")


def test_columns_may_be_more_fewer_and_in_another_order_unless_the_form_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("other,height,age,split,name\nx,1.5,3,train,a\n")
    assert read_table(path, Person, FORM) == {2: Person("a", Split.TRAIN, 3, 1.5)}
    with pytest.raises(ManifestError, match="expected the columns name, split, age, height, n_shoes, note; got other"):
        read_table(path, Person, EXACT)


def test_an_exact_form_of_an_earlier_version_may_lack_the_last_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,split,age,height\na,train,3,1.5\n")
    assert read_table(path, Person, EXACT) == {2: Person("a", Split.TRAIN, 3, 1.5)}
    assert table_text(Person, [Person("a", Split.TRAIN, 3, 1.5)], n_columns=4) == path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        'name, split, age, height\n"a, b", "train", 3, 1.5\n',
        ' "name",split,age,height\n  "a, b",train , 3,1.5\n',
        'name,split,age,height,,\n"a, b",train,3,1.5,,\n,,,,,\n',
        'name,split,age,height,,\n"a, b",train,3,1.5\n',
        'name,split,age,height\n"a, b",train,3,1.5,,\n',
        'name,split,age,height,n_shoes,note\n"a, b",train,3,1.5\n',
        ',name,split,age,,height\n0,"a, b",train,3,,1.5\n',
        '\ufeffname,split,age,height\r\n"a, b",train,3,1.5\r\n\r\n',
    ],
)
def test_what_people_and_spreadsheets_add_is_understood(text: str) -> None:
    found = read_table(Path("t.csv"), Person, BY_HAND, content=text.encode())
    assert list(found.values()) == [Person("a, b", Split.TRAIN, 3, 1.5)]


def test_a_comma_that_is_not_quoted_is_a_fault_even_beside_empty_columns() -> None:
    text = b"name,split,age,height,,\na, b,train,3,1.5,\n"
    with pytest.raises(ManifestError, match=r"t\.csv:2: expected 4 cells, got 5"):
        read_table(Path("t.csv"), Person, BY_HAND, content=text)


def test_a_row_by_hand_that_ends_before_a_needed_column_is_a_fault() -> None:
    text = b"name,split,age,height,note\na,train,3\n"
    with pytest.raises(ManifestError, match=r"t\.csv:2: expected 5 cells, got 3"):
        read_table(Path("t.csv"), Person, BY_HAND, content=text)


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-x", "@A1", "\tx", "\rx", "'=x", "''-x"])
def test_a_cell_that_a_spreadsheet_would_run_is_neutralised_and_comes_back(text: str) -> None:
    assert spreadsheet_safe(text) == f"'{text}"
    assert spreadsheet_plain(spreadsheet_safe(text)) == text


@pytest.mark.parametrize("text", ["", "UNet*", "'quoted'", "a=b", "Son et al."])
def test_a_harmless_cell_is_left_alone(text: str) -> None:
    assert spreadsheet_safe(text) == text
    assert spreadsheet_plain(text) == text
