"""Numbers of bytes as people say them, and as they set a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.disk.sizes import GIB, as_budget, plain, sized


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 kB"), (300, "0.3 kB"), (999_499, "999 kB"), (999_500, "1 MB"), (22_980_000, "23 MB"),
        (999_600_000, "0.931 GiB"), (20 * GIB, "20 GiB"), (1536 * GIB, "1.5 TiB"),
    ],
)  # fmt: skip
def test_a_size_has_three_digits_and_a_unit(count: int, said: str) -> None:
    assert sized(count) == said


@given(st.integers(0, 2**49))
def test_no_size_has_an_exponent_or_more_than_three_digits(count: int) -> None:
    number, _, unit = sized(count).partition(" ")
    assert unit in ("kB", "MB", "GiB", "TiB")
    assert set(number) <= set("0123456789.")
    assert len(number.replace(".", "").lstrip("0")) <= 3


@given(st.integers(1, 2**49))
def test_a_budget_holds_what_it_is_for_and_hardly_more(count: int) -> None:
    text = as_budget(count)
    assert set(text) <= set("0123456789.")
    assert count <= float(text) * GIB <= 1.011 * count + 2


def test_what_a_person_set_is_said_as_people_write_it() -> None:
    assert [plain(one) for one in (1e-06, 20.0, 0.5, 0.0001)] == ["0.000001", "20", "0.5", "0.0001"]
