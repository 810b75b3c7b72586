"""What `cryptosource trigger` says of a request that was refused, and whether to ask again."""

from __future__ import annotations

from cryptosource_cli.commands.trigger import refusal_error
from cryptosource_store.run_requests import SuspendedSource, TooManyRequests


def test_who_asks_too_often_is_told_when_to_ask_again():
    told = refusal_error(
        TooManyRequests("a run of a may be asked for 6 times a minute", wait_seconds=7)
    )
    assert told.exit_code == 75
    assert told.message.endswith("; ask again in 7 s")


def test_what_somebody_has_to_change_is_not_worth_asking_again():
    told = refusal_error(SuspendedSource("the source a is suspended"))
    assert (told.exit_code, told.message) == (78, "the source a is suspended")
