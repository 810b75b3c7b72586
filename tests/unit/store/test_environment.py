"""Numbers of the environment: digits within bounds, and a message that names the variable."""

from __future__ import annotations

import pytest

from cryptosource_store.environment import InvalidSetting, whole_number


def read(raw: str | None, **bounds: int) -> int | None:
    environ = {} if raw is None else {"N": raw}
    return whole_number(environ, "N", None, **bounds)


@pytest.mark.parametrize(
    ("raw", "number"), [("0", 0), (" 17 ", 17), ("007", 7), ("9" * 12, 10**12 - 1)]
)
def test_digits_are_read_with_space_around_them(raw: str, number: int):
    assert read(raw) == number


@pytest.mark.parametrize("raw", [None, "", "  "])
def test_what_is_not_set_is_the_default(raw: str | None):
    assert read(raw, least=1) is None


@pytest.mark.parametrize("raw", ["1.5", "-1", "+1", "1_000", "1e3", "٣", "²", "0x1f", "many"])
def test_what_python_alone_reads_as_a_number_is_refused(raw: str):
    with pytest.raises(InvalidSetting, match=r"^N=.*: write a whole number of at least 0"):
        read(raw)


@pytest.mark.parametrize("raw", ["1", "6", "9" * 5000])
def test_what_is_out_of_bounds_is_refused_with_the_bounds_and_briefly(raw: str):
    with pytest.raises(InvalidSetting, match="from 2 to 5, or unset it") as refused:
        read(raw, least=2, most=5)

    assert len(str(refused.value)) < 120
