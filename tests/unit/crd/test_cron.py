from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd.cron import FIELDS, MACROS, parse_cron

REFUSED = {
    "": "not 0",
    "* * * *": "not 4",
    "* * * * * *": "seconds",
    "60 * * * *": "minute: 60",
    "* 24 * * *": "hour: 24",
    "* * 0 * *": "day of month: 0",
    "* * 32 * *": "day of month: 32",
    "* * * 0 *": "month: 0",
    "* * * 13 *": "month: 13",
    "* * * * 7": "Sunday is 0",
    "* * * * 5-7": "Sunday is 0",
    "* * * * 8": "day of week: 8",
    "-1 * * * *": "minute: ''",
    "5- * * * *": "minute: ''",
    "5-3 * * * *": "ends before it begins",
    "1-2-3 * * * *": "minute: '2-3'",
    "*/0 * * * *": "step '0'",
    "*/-1 * * * *": "step '-1'",
    "*/ * * * *": "step ''",
    "*/5/2 * * * *": "step '5/2'",
    "1,,2 * * * *": "empty part",
    ",1 * * * *": "empty part",
    "1, * * * *": "empty part",
    "1.5 * * * *": "minute: '1.5'",
    "٣ * * * *": "minute: '٣'",
    "99999999999999999999 * * * *": "minute",
    "H * * * *": "minute: 'H'",
    "0 0 L * *": "day of month: 'L'",
    "0 0 15W * *": "day of month: '15W'",
    "0 0 * * 5L": "day of week: '5L'",
    "0 0 * * MON#1": "day of week",
    "0 0 * * MONDAY": "day of week",
    "0 0 * FOO *": "month: 'FOO'",
    "0 0 MON * *": "day of month: 'MON'",
    "*-5 * * * *": "minute: '*'",
    "TZ=Europe/Berlin 0 * * * *": "use timeZone",
    "CRON_TZ=UTC 0 * * * *": "use timeZone",
    "@every 5m": "unknown name",
    "@reboot": "unknown name",
    "@Daily": "unknown name",
    "@": "unknown name",
    "0 0 30 2 *": "never comes due",
    "0 0 31 4,6,9,11 *": "never comes due",
}


@pytest.mark.parametrize(("schedule", "why"), REFUSED.items())
def test_what_kubernetes_refuses_is_refused_with_the_field_at_fault(schedule, why):
    with pytest.raises(ValueError) as caught:
        parse_cron(schedule)

    assert why in str(caught.value)


ACCEPTED = [
    "* * * * *",
    "? ? ? ? ?",
    "*/5 * * * *",
    "*/90 * * * *",
    "7/15 * * * *",
    "0-30/10,45 * * * *",
    "0 0 1 jan sun",
    "0 0 * JAN-mar Mon-FRI",
    "0 0 29 2 *",
    "0 0 30 2 1",
    "  0   0 * * *  ",
    "*,5 * * * *",
    *MACROS,
]


@pytest.mark.parametrize("schedule", ACCEPTED)
def test_what_kubernetes_accepts_is_accepted(schedule):
    fields = parse_cron(schedule)

    assert fields.minutes
    assert fields.weekdays <= set(range(7))


def test_a_number_with_a_step_goes_on_to_the_end():
    assert parse_cron("7/20 * * * *").minutes == {7, 27, 47}


def test_a_stepped_star_is_no_star_when_days_are_joined():
    assert not parse_cron("0 0 */2 * 1").any_day
    assert parse_cron("0 0 */1 * 1").any_day


@pytest.mark.parametrize("name", MACROS)
def test_a_macro_means_its_five_fields(name):
    assert parse_cron(name) == parse_cron(MACROS[name])


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_with_a_reason(text):
    try:
        parse_cron(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, a traceback is not


@st.composite
def parts(draw, field):
    low = draw(st.integers(field.low, field.high))
    high = draw(st.integers(low, field.high))
    step = draw(st.integers(1, 70))
    return draw(st.sampled_from([
        (f"{low}", {low}),
        (f"{low}-{high}", set(range(low, high + 1))),
        (f"{low}-{high}/{step}", set(range(low, high + 1, step))),
        (f"*/{step}", set(range(field.low, field.high + 1, step))),
    ]))  # fmt: skip


@given(st.data())
def test_a_field_is_the_union_of_its_parts(data):
    position = data.draw(st.integers(0, 1))
    chosen = data.draw(st.lists(parts(FIELDS[position]), min_size=1, max_size=5))
    fields = ["*"] * 5
    fields[position] = ",".join(text for text, _ in chosen)

    parsed = parse_cron(" ".join(fields))

    expected = set().union(*(numbers for _, numbers in chosen))
    assert (parsed.minutes, parsed.hours)[position] == expected
