"""The ward register's file."""

from pathlib import Path

import pytest

from wardbridge.wards import RegisterError, read_register


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
    assert register.resolve("ehr", "MED") is None
    assert register.wards["SE2321000131-E000000000002"].care_type == "emergency"
    assert register.hospital_of("SE2321000131-E000000000001") == "Norr"
    assert [ward.places for ward in register.wards.values()] == [24, None]


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
        ("id;name;hospital;alias:x\nA;B;C;1\nB;B;C;1\n", "names both 'A' and 'B'"),
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


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wards.csv"
    path.write_bytes("id;name;hospital\nA;Ä;C\n".encode("latin-1"))
    with pytest.raises(RegisterError, match="not UTF-8"):
        read_register(path)
