from __future__ import annotations

from cryptosource_operator.revert_limiter import MAX_REVERTS, QUIET_SECONDS, RevertLimiter


class Hands:
    """A clock that a test moves."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds


def revert(limiter, times):
    for _ in range(times):
        limiter.count("s")


def test_reverts_stop_at_the_limit_and_go_on_after_a_quiet_time():
    clock = Hands()
    limiter = RevertLimiter(clock)
    revert(limiter, MAX_REVERTS - 1)
    assert limiter.allows("s")

    revert(limiter, 1)
    assert not limiter.allows("s")
    assert limiter.allows("t")

    clock.seconds = QUIET_SECONDS
    assert limiter.allows("s")
    revert(limiter, 1)
    assert limiter.allows("s")


def test_the_count_of_a_source_that_is_gone_is_dropped():
    limiter = RevertLimiter(Hands())
    revert(limiter, MAX_REVERTS)

    limiter.forget("s")

    assert limiter.allows("s")
