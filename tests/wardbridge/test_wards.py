"""The ward register's file."""

import csv
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ward import Unresolved
from wardbridge.config.problems import ConfigProblem
from wardbridge.config.wards import RegisterError, read_register


def written(folder: Path, text: str) -> Path:
    path = folder / "wards.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_wards_with_all_that_is_told_of_them_are_read(tmp_path: Path) -> None:
    register = read_register(written(tmp_path,
        "id;name;hospital;care_type;places;alias:ehr;alias:elvis\n"
        "SE2321000131-E000000000001;Medicin;Norr;;24;N51 N52;MED\n"
        "SE2321000131-E000000000002;Akuten;Norr;emergency;;N10;AKUT MOTT|AKM\n"
    ))  # fmt: skip
    assert register.resolve("ehr", "n52") == "SE2321000131-E000000000001"
    assert register.resolve("elvis", "Akut mott") == "SE2321000131-E000000000002"
    assert register.resolve("ehr", "MED") is Unresolved.UNKNOWN
    assert register.wards["SE2321000131-E000000000002"].care_type == "emergency"
    assert register.hospital_of("SE2321000131-E000000000001") == "Norr"
    assert [ward.places for ward in register.wards.values()] == [24, None]


def test_an_alias_carries_its_facility_and_a_ward_the_names_of_its_hospital(tmp_path: Path) -> None:
    register = read_register(written(tmp_path,
        "id;name;hospital;alias:ehr;facility:ehr\n"
        "N52;Medicin;Norr;52@NORR;\n"
        "S52;Medicin;Söder;52@SODER|K 52|53@Hus B;SODER|Södra sjukhuset\n"
    ))  # fmt: skip
    assert register.resolve("ehr", "52", ["Soder"]) == "S52"
    assert register.resolve("ehr", "52", ["södra sjukhuset"]) == "S52"
    assert register.resolve("ehr", "52", ["NORR"]) == "N52"
    assert register.resolve("ehr", "52") is Unresolved.AMBIGUOUS
    assert register.resolve("ehr", "k 52") == "S52"
    assert register.resolve("ehr", "53", ["HUS B"]) == "S52"


def test_a_comma_and_a_byte_order_mark_do_as_well(tmp_path: Path) -> None:
    register = read_register(written(tmp_path, "\ufeffid,name,hospital\nA,Ä,Norr\n\n"))
    assert register.wards["A"].name == "Ä"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id;name\nA;B\n", "1: hospital: this column is required"),
        ("id;name;hospitl\n", '1: hospitl: unknown column; did you mean "hospital"?'),
        ("id;id;name;hospital\n", "1: id: this column stands there twice"),
        ("id;name;hospital\nA;B;C\nD;;C\n", "3: name: this key is required"),
        ("id;name;hospital;care_type\nA;B;C;dental\n", "2: care_type: Input should be"),
        ("id;name;hospital;places\nA;B;C;many\n", "2: places: Input should be"),
        ("id;name;hospital;places\nA;B;C;-1\n", "2: places: Input should be"),
        ("id;name;hospital\nA;B;C\na;B;C\n", "ward 'a' is listed twice"),
        ("id;name;hospital;alias:x\nA;B;C;1\nB;B;C;1\n", "3: code '1' of source 'x' names both"),
        ("id;name;hospital;alias:x\nA;B;C;1@N 2\nB;B;D;1\n", "for example 1@NORTH"),
        ("id;name;hospital;alias:x\nA;B;C;1@\n", "2: alias '1@' is half of one"),
        ("id;name;hospital;facilty:x\n", "1: facilty:x: unknown column"),
        ("id;name;hospital\n", "no ward is listed"),
        ("id;name;hospital;alias:x\nA;B;C;;1\n", "2: more cells than columns"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RegisterError) as caught:
        read_register(path)
    assert any(expected in str(problem) for problem in caught.value.problems)
    assert all(str(problem).startswith(str(path)) for problem in caught.value.problems)


def test_every_line_in_error_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RegisterError) as caught:
        read_register(written(tmp_path, "id;name;hospital\nA;;C\nB;;C\n"))
    assert [problem.line for problem in caught.value.problems] == [2, 3]


MISTAKES = {
    "listed twice": "A;Again;Norr;;;",
    "places": "B;B;Norr;x;;",
    "care_type": "C;C;Norr;;dental;",
    "name: ": "D;;Norr;;;",
    "hospital: ": "E;E;;;;",
    "more cells than columns": "F;F;Norr;;;;;",
    "code '1' of source 'ehr' names both": "G;G;Norr;;;1",
    "more than 200 characters": f"H;{'H' * 201};Norr;;;",
    "is half of one": "I;I;Norr;;;9@",
    "facility 'norr' of source 'ehr' names the hospitals": "J;J;Sor;;;;NORR",
}
COLUMN_MISTAKES = {
    "unknown column": "phone",
    "stands there twice": "alias:twice;alias:twice",
}


@pytest.mark.parametrize("wrong", [*combinations(MISTAKES, 2), tuple(MISTAKES)])
@pytest.mark.parametrize("columns", [(), *([each] for each in COLUMN_MISTAKES)])
def test_no_mistake_in_a_register_hides_another(
    wrong: Sequence[str], columns: Sequence[str], tmp_path: Path
) -> None:
    head = "id;name;hospital;places;care_type;alias:ehr;facility:ehr"
    more = [COLUMN_MISTAKES[each] for each in columns]
    rows = ["A;A;Norr;;;1;NORR", *(MISTAKES[each] for each in wrong)]
    if more:  # or the row that is too wide would fit
        rows = [row + ";;" * row.count(";;;;;") for row in rows]
    path = written(tmp_path, "\n".join((";".join((head, *more)), *rows, "")))
    with pytest.raises(RegisterError) as caught:
        read_register(path)
    told = [str(problem) for problem in caught.value.problems]
    for mistake in (*wrong, *columns):
        assert [each for each in told if mistake in each], (mistake, told)
    assert len(told) == len(wrong) + len(columns), told


@pytest.mark.parametrize("wrong", ["places", "care_type", "name: ", "more than 200 characters"])
def test_a_row_with_a_cell_in_error_is_compared_with_the_others(wrong: str, tmp_path: Path) -> None:
    row = MISTAKES[wrong]
    path = written(tmp_path, f"id;name;hospital;places;care_type\n{row[0]};X;Norr;;\n{row[:-1]}\n")
    with pytest.raises(RegisterError) as caught:
        read_register(path)
    told = [str(problem) for problem in caught.value.problems]
    assert [each for each in told if "listed twice" in each]
    assert [each for each in told if wrong in each]


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wards.csv"
    path.write_bytes("id;name;hospital\nA;Ä;C\n".encode("latin-1"))
    with pytest.raises(RegisterError, match=r"wards\.csv:2: it is not UTF-8"):
        read_register(path)


SOUND = "id;name;hospital;alias:ehr;places\nA;Å 1;Norr;N51|N 52;4\nB;B;Söder;S@HUS T;\n".encode()


@given(
    at=st.integers(0, len(SOUND)),
    dropped=st.integers(0, 20),
    put=st.binary(max_size=8) | st.sampled_from([b'"', b"\n", b"\0", b'"' * 3, b";" * 9, b"\x85"]),
    times=st.sampled_from([1, 2, 30_000]),
)
@settings(max_examples=300, deadline=None)
def test_whatever_became_of_a_register_it_is_one_or_is_refused_with_reasons(
    at: int, dropped: int, put: bytes, times: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wards.csv"
        path.write_bytes(SOUND[:at] + put * times + SOUND[at + dropped :])
        problems = refused(path)
    assert all(each.file == path and len(str(each)) < 5_000 for each in problems or ())
    assert problems is None or problems


def refused(path: Path) -> tuple[ConfigProblem, ...] | None:
    """Why the register cannot be used; None where it can."""
    try:
        read_register(path)
    except RegisterError as error:
        return error.problems
    return None


@pytest.mark.parametrize("column", ["id", "name", "hospital", "alias:ehr", "facility:ehr"])
def test_a_text_without_end_is_refused_with_its_line_and_is_not_repeated(
    column: str, tmp_path: Path
) -> None:
    path = tmp_path / "wards.csv"
    cells = dict.fromkeys(("id", "name", "hospital", "alias:ehr", "facility:ehr"), "A")
    cells[column] = "x" * 201
    path.write_text(f"{';'.join(cells)}\n{';'.join(cells.values())}\n", encoding="utf-8")
    (problem,) = refused(path) or ()
    assert problem.line == 2
    assert problem.reason == "more than 200 characters"
    assert "xxx" not in str(problem)


def test_an_open_quotation_mark_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wards.csv"
    path.write_bytes(b'id;name;hospital\nA;"Akuten;Norr\n' + b"B;B;Norr\n" * 20_000)
    before = csv.field_size_limit(131_072)  # of the process: a test before may have set another
    try:
        (problem,) = refused(path) or ()
    finally:
        csv.field_size_limit(before)
    assert problem.line
    assert problem.suggestion
    assert "quotation mark" in problem.suggestion
