from __future__ import annotations

from cryptosource_operator.revert_limiter import QUIET_SECONDS, REVERTS, RevertLimiter


class Hands:
    """A clock that a test moves."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds


def fought(contests, times):
    for _ in range(times):
        contests.reverted("s")


def test_a_contest_is_given_up_and_taken_up_again_after_a_quiet_time():
    clock = Hands()
    contests = RevertLimiter(clock)
    fought(contests, REVERTS - 1)
    assert contests.worth_another("s")

    fought(contests, 1)
    assert not contests.worth_another("s")
    assert contests.worth_another("t")

    clock.seconds = QUIET_SECONDS
    assert contests.worth_another("s")
    fought(contests, 1)
    assert contests.worth_another("s")


def test_a_source_that_is_gone_leaves_no_contest():
    contests = RevertLimiter(Hands())
    fought(contests, REVERTS)

    contests.forget("s")

    assert contests.worth_another("s")
