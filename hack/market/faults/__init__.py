"""Every way in which an answer can go wrong, one small class each, by the name rules use.

A fault may stand in for the answer, change what is asked, change the answer, or change how it is
delivered. Faults know nothing of rules; rules decide when one is played.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hack.market.faults.answers import Redirect, Status
from hack.market.faults.bodies import Bomb, Endless, Gzip, Truncate
from hack.market.faults.fault import Fault
from hack.market.faults.pages import NewCoin, RepeatPage, Reshuffle
from hack.market.faults.poison import Poison
from hack.market.faults.wire import Delay, Drip, Drop, Hang, Headers, WrongLength

FAULTS: Mapping[str, type[Fault]] = {
    "bomb": Bomb,
    "delay": Delay,
    "drip": Drip,
    "drop": Drop,
    "endless": Endless,
    "gzip": Gzip,
    "hang": Hang,
    "headers": Headers,
    "new_coin": NewCoin,
    "poison": Poison,
    "redirect": Redirect,
    "repeat_page": RepeatPage,
    "reshuffle": Reshuffle,
    "status": Status,
    "truncate": Truncate,
    "wrong_length": WrongLength,
}
"""Name of a fault -> its class."""

__all__ = ["FAULTS", "Fault", "parse_fault"]


def parse_fault(spec: Mapping[str, Any]) -> Fault:
    """Return the fault that `{"kind": …, **fields}` describes.

    Raises:
        ValueError: for a kind or a field that does not exist.
    """
    fields = dict(spec)
    kind = fields.pop("kind", None)
    if kind not in FAULTS:
        raise ValueError(f"no fault is called {kind!r}; there are {', '.join(FAULTS)}")
    try:
        return FAULTS[kind](**fields)
    except (TypeError, LookupError) as error:
        raise ValueError(f"fault {kind}: {error}") from error
