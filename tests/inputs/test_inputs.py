"""Every bad input has one error, which is the one that the book's table shows."""

import pytest

from tests.inputs.cases import Case, all_cases, line, lines

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.key for case in CASES])
def test_a_bad_input_is_answered_as_the_book_says(case: Case) -> None:
    assert line(case, case.error()) == lines().get(case.key), "if this is the better error: make readme"


def test_the_table_holds_these_cases_and_no_others() -> None:
    assert list(lines()) == [case.key for case in CASES]
    assert len(CASES) >= 60
