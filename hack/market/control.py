"""The control API as a Python object: in process or over HTTP, by what `send` does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hack.market.jsontext import dump_command, text_of
from hack.market.log import ServedRecord

Send = Callable[[str, Mapping[str, Any]], Any]
"""Takes a verb and its arguments, returns parsed JSON."""


class ControlError(Exception):
    """The market did not understand a command; the message says what it expected."""


def over_http(url: str) -> Send:
    """Return a way to send commands to a market in another process or thread."""
    address = urlsplit(url).netloc

    def send(verb: str, arguments: Mapping[str, Any]) -> Any:
        with closing(http.client.HTTPConnection(address, timeout=60)) as link:
            link.request("POST", f"/_control/{verb}", body=dump_command(arguments))
            answer = link.getresponse()
            data = json.loads(answer.read())
        if answer.status != http.client.OK:
            raise ControlError(data["error"])
        return data

    return send


class Control:
    """Tells a running market what to do. Amounts are Decimal, str or `Raw`, never float."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def universe(self, **settings: int) -> None:
        """Serve other coins: any field of `UniverseSettings`."""
        self._send("universe", settings)

    def edit(self, vendor: str, coin_id: str, *, drop: Sequence[str] = (), **fields: Any) -> None:
        """Change fields of one coin, by alias (`price`, `market_cap`, …) or by name."""
        changes = {field: text_of(value) for field, value in fields.items()}
        self._send("edit", {"vendor": vendor, "id": coin_id, "set": changes, "drop": list(drop)})

    def edit_paths(self, vendor: str, coin_id: str, fields: Mapping[str, Any]) -> None:
        """Change fields given by dotted path."""
        self.edit(vendor, coin_id, **fields)

    def add(
        self,
        vendor: str,
        coin_id: str,
        *,
        record: Mapping[str, Any] | None = None,
        first: bool = False,
    ) -> None:
        """List a coin, made up unless its record is given."""
        self._send("add", {"vendor": vendor, "id": coin_id, "record": record, "first": first})

    def delist(self, vendor: str, coin_id: str) -> None:
        """Take a coin off the list."""
        self._send("delist", {"vendor": vendor, "id": coin_id})

    def relist(self, vendor: str, coin_id: str) -> None:
        """List a delisted coin again."""
        self._send("relist", {"vendor": vendor, "id": coin_id})

    def rename(self, vendor: str, coin_id: str, to: str) -> None:
        """Give a coin another id."""
        self._send("rename", {"vendor": vendor, "id": coin_id, "to": to})

    def drift(self, vendor: str, field: str, *, at: datetime | None = None, **change: Any) -> None:
        """Change a field of every record: `value=`, `rename_to=`, or neither to remove it."""
        when = {} if at is None else {"at": at.isoformat()}
        if "value" in change:
            change["value"] = text_of(change["value"])
        self._send("drift", {"vendor": vendor, "field": field, **when, **change})

    def freeze_updated(self, vendor: str, moment: datetime) -> None:
        """Let every record say it was last updated at `moment`, past or future."""
        self.drift(vendor, "last_updated", value=moment.isoformat().replace("+00:00", "Z"))

    def rule(
        self,
        *faults: Mapping[str, Any],
        times: int | str = 1,
        skip: int = 0,
        **match: Any,
    ) -> None:
        """Queue faults (`{"kind": …}`) for matching requests: vendor, path, page, method."""
        spec = {"match": match, "times": times, "skip": skip, "faults": list(faults)}
        self._send("rule", spec)

    def fault(
        self, kind: str, *, times: int | str = 1, vendor: str | None = None, **of: Any
    ) -> None:
        """Queue one fault with its fields; for finer matches use `rule`."""
        self.rule({"kind": kind, **of}, times=times, vendor=vendor)

    def calm(self) -> None:
        """Drop every rule."""
        self._send("calm", {})

    def key(self, key: str, kind: str) -> None:
        """Make a key valid: `paprika`, `demo` or `pro`. From the first on, others are refused."""
        self._send("key", {"key": key, "kind": kind})

    def limit(self, vendor: str, **limit: Any) -> None:
        """Limit every caller of a vendor: any field of `limits.Limit`."""
        self._send("limit", {"vendor": vendor, **limit})

    def etag(self, *, enabled: bool) -> None:
        """Send ETags and honour If-None-Match, or not."""
        self._send("etag", {"enabled": enabled})

    def advance(self, seconds: int | str) -> datetime:
        """Move the market's clock ahead and return its time."""
        return datetime.fromisoformat(self._send("advance", {"seconds": seconds})["now"])

    def recording(self, vendor: str, path: Path) -> None:
        """Serve a recorded JSON file for a vendor."""
        self._send("recording", {"vendor": vendor, "path": str(path)})

    def reset(self) -> None:
        """Begin anew: coins, rules, keys, limits and the log."""
        self._send("reset", {})

    def log(self, vendor: str | None = None) -> list[dict[str, Any]]:
        """Return the request log, oldest first."""
        found: list[dict[str, Any]] = self._send("log", {"vendor": vendor})
        return found

    def served(self, vendor: str | None = None) -> list[ServedRecord]:
        """Return every record of every answer that was sent to its end."""
        return [ServedRecord(**row) for row in self._send("served", {"vendor": vendor})]

    def rules(self) -> list[dict[str, Any]]:
        """Return the queue with how often each rule has hit."""
        found: list[dict[str, Any]] = self._send("rules", {})
        return found

    def state(self) -> dict[str, Any]:
        """Return the market's time and how much it holds."""
        found: dict[str, Any] = self._send("state", {})
        return found
