"""What a patient's number may look like: a spreadsheet's damage is none, and nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.numbers import fault_of, has_lost_zeros

PERSON = "200001012384"

DAMAGED = {
    "2.00001E+11": "scientific",
    "2,00001E+11": "scientific",
    "2.00001e+011": "scientific",
    "2E+11": "scientific",
    "2.00001012384E11": "scientific",
    "2.00001012384e-05": "scientific",
    "200001012384.0": "decimals",
    "200001012384,00": "decimals",
    "4711.0": "decimals",
    "200 001 012 384": "groups of three",
    "200.001.012.384": "groups of three",
    "200,001,012,384": "groups of three",
    "200\u00a0001\u00a0012\u00a0384": "groups of three",
    "200\u202f001\u202f012\u202f384": "groups of three",
    "200'001'012'384": "groups of three",
    "4 711": "groups of three",
    "'200001012384": "apostrophe",
    "\u2019200001012384": "apostrophe",
    '="200001012384"': "formula",
    "=A1": "formula",
    "#VALUE!": "error value",
    "############": "error value",
    "2000-01-01": "date",
    "2000-01-01 00:00:00": "date",
    "?": "remark",
    "okänd!": "remark",
    "x": "without a digit or two letters",
    "---": "without a digit or two letters",
    "": "without a digit or two letters",
}
WHOLE = (
    PERSON, "20000101-2384", "000101-2384", "000101+2384", "19810829M071", "4711", "P1", "RM-A",
    "1234-12", "999-87-1037", "DLN-123", "Medicare-12345", "12E45", "2E11", "E12", "B-9", "7",
    "06e1f0dd-5fbe-4480-9bb4-6b54ec02d31b", "{06E1F0DD-5FBE}", "943 476 5919", "1.2.752.129",
    "urn:uuid:06e1f0dd", "A.1", "pat 1", "12/345", "5001@AccMgr", "åäö-1", "20000101",
)  # fmt: skip


@pytest.mark.parametrize(("number", "looks_like"), DAMAGED.items())
def test_damage_is_no_number_and_is_called_what_it_looks_like(number: str, looks_like: str) -> None:
    fault = fault_of(number)
    assert fault is not None
    assert looks_like in fault
    assert len(number) < 2 or number not in fault


@pytest.mark.parametrize("number", WHOLE)
def test_what_somebody_may_have_given_is_a_number(number: str) -> None:
    assert fault_of(number) is None


@given(st.integers(10**5, 10**13))
def test_whatever_a_spreadsheet_makes_of_digits_is_noticed(number: int) -> None:
    point, comma = f"{number:.5E}", f"{number:.5E}".replace(".", ",")
    for made in (point, comma, f"{number}.0", f"{number},0", f"{number:,}", f"'{number}"):
        assert fault_of(made), made
    for sign in " .'\u00a0\u2009\u202f\u2019":
        assert fault_of(f"{number:,}".replace(",", sign)), sign
    assert fault_of(str(number)) is None


@pytest.mark.parametrize("lost", ["1012384", "01012384", "001012384", "501012381"])
def test_lost_zeros_are_noticed(lost: str) -> None:
    assert has_lost_zeros(lost) == (lost != "501012381")


@pytest.mark.parametrize(
    "whole", ["0001012384", PERSON, "4711", "1012385", "", "101238x", "１０１２３８４"]
)
def test_no_zeros_are_missed_where_none_are_lost(whole: str) -> None:
    assert not has_lost_zeros(whole)


@given(st.text(max_size=40))
def test_any_text_is_judged_and_nothing_raises(text: str) -> None:
    event("number" if fault_of(text) is None else "none")
    assert isinstance(has_lost_zeros(text), bool)
