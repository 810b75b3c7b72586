"""What one vendor lists right now: generated or recorded coins, and everything done to them since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from hack.market.coins import Coin, hash_of
from hack.market.jsontext import Fragment, Raw, get, put, text_of

Draw = Callable[[Coin], Fragment]
"""Turns a coin into a vendor's record."""


class Record(NamedTuple):
    """One record on its way out. A `Raw` fragment is one that is no JSON object at all."""

    id: str
    fragment: Fragment | Raw


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A change to every record of a vendor, from a moment on: what a new API version does."""

    path: str
    value: Raw | None = None
    """What the field becomes. None: it is gone, or moved when `rename_to` is given."""
    rename_to: str | None = None
    at: datetime | None = None
    """When it begins by the market's clock. None: at once."""

    def apply(self, fragment: Fragment) -> None:
        """Change one record in place."""
        if self.rename_to is not None:
            moved = get(fragment, self.path)
            put(fragment, self.path, None)
            put(fragment, self.rename_to, moved)
        else:
            put(fragment, self.path, self.value)


class Book:
    """A vendor's coins by id, best rank first.

    Args:
        base: generated coins, or recorded records, by id.
        aliases: short names of fields -> the vendor's dotted path.
    """

    def __init__(self, base: Mapping[str, Coin | Fragment], *, aliases: Mapping[str, str]) -> None:
        self._revision = 0
        self._base = dict(base)
        self._order = list(self._base)
        self._aliases = aliases
        self._edits: dict[str, dict[str, Raw | None]] = {}
        self._drifts: list[Drift] = []
        self._delisted: dict[str, int] = {}

    def __contains__(self, coin_id: str) -> bool:
        return coin_id in self._base and coin_id not in self._delisted

    def ids(self) -> list[str]:
        """Return what is listed, best rank first."""
        return list(self._order)

    def coin(self, coin_id: str) -> Coin | None:
        """Return the generated coin behind an id; None for recorded and added ones."""
        base = self._base[coin_id]
        return base if isinstance(base, Coin) else None

    def version(self, now: datetime) -> str:
        """Return what changes whenever the same query would be answered differently."""
        return f"{self._revision:x}.{sum(1 for _ in self._active(now))}"

    def records(self, ids: Iterable[str], draw: Draw, *, now: datetime) -> Iterator[Record]:
        """Yield the records of `ids`, drawn one at a time."""
        drifts = list(self._active(now))
        for coin_id in ids:
            base = self._base[coin_id]
            fragment = draw(base) if isinstance(base, Coin) else deepcopy(base)
            for drift in drifts:
                drift.apply(fragment)
            for path, value in self._edits.get(coin_id, {}).items():
                put(fragment, path, value)
            yield Record(coin_id, fragment)

    def edit(
        self, coin_id: str, changes: Mapping[str, object], *, drop: Iterable[str] = ()
    ) -> None:
        """Change fields of one coin, by alias or dotted path; `drop` leaves fields out.

        Raises:
            LookupError: when the vendor does not list the coin.
        """
        self._must_list(coin_id)
        edits = self._edits.setdefault(coin_id, {})
        edits.update({self.path(field): text_of(value) for field, value in changes.items()})
        edits.update({self.path(field): None for field in drop})
        self._changed(f"edit {coin_id} {edits}")

    def add(self, coin_id: str, record: Fragment, *, first: bool = False) -> None:
        """List a new record, at the best rank or at the worst."""
        if coin_id in self._base:
            raise LookupError(f"{coin_id!r} is there already: edit it, or relist it")
        self._base[coin_id] = record
        self._order.insert(0 if first else len(self._order), coin_id)
        self._changed(f"add {coin_id} {record} {first}")

    def delist(self, coin_id: str) -> None:
        """Take a coin off the list; `relist` brings it back where it was."""
        self._must_list(coin_id)
        self._delisted[coin_id] = self._order.index(coin_id)
        self._order.remove(coin_id)
        self._changed(f"delist {coin_id}")

    def relist(self, coin_id: str) -> None:
        """List a delisted coin again."""
        if coin_id not in self._delisted:
            raise LookupError(f"{coin_id!r} was not delisted")
        self._order.insert(self._delisted.pop(coin_id), coin_id)
        self._changed(f"relist {coin_id}")

    def rename(self, coin_id: str, new_id: str) -> None:
        """Give a coin another id at the same rank, as vendors do after a rebranding."""
        self._must_list(coin_id)
        if new_id in self._base:
            raise LookupError(f"{new_id!r} is taken")
        self._base[new_id] = self._base.pop(coin_id)
        self._order[self._order.index(coin_id)] = new_id
        self._edits[new_id] = {**self._edits.pop(coin_id, {}), "id": text_of(new_id)}
        self._changed(f"rename {coin_id} {new_id}")

    def drift(self, drift: Drift) -> None:
        """Change every record from `drift.at` on."""
        self._drifts.append(drift)
        self._changed(f"{drift}")

    def path(self, field: str) -> str:
        """Return the vendor's dotted path of a field given by its alias or by its path."""
        return self._aliases.get(field, field)

    def _changed(self, how: str) -> None:
        """Hash the change onto those before it: equal histories have equal versions."""
        self._revision = hash_of(f"{self._revision}:{how}")

    def _active(self, now: datetime) -> Iterator[Drift]:
        return (d for d in self._drifts if d.at is None or d.at <= now)

    def _must_list(self, coin_id: str) -> None:
        if coin_id not in self:
            raise LookupError(f"{coin_id!r} is not listed")
