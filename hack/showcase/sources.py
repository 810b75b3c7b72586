"""The showcase's sources: one for each state the page knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RUNS = 36


@dataclass(frozen=True, kw_only=True)
class SeededRun:
    """One run."""

    minutes_ago: float
    seconds: float = 3.0
    status: str = "success"
    reason: str | None = "Completed"
    message: str | None = None
    loaded: int = 0
    unchanged: int = 0
    rejected: int = 0
    retries: int = 0
    records_total: int | None = None


@dataclass(frozen=True, kw_only=True)
class SeededSource:
    """One source and how its runs went."""

    name: str
    source_type: str
    namespace: str = "crypto"
    schedule: str = "*/10 * * * *"
    time_zone: str = "Etc/UTC"
    max_age_seconds: int | None = 1800
    suspended: bool = False
    drifted: bool = False
    coins: int = 0
    """Of the showcase's, from the largest on."""
    price_factor: str = "1"
    matched_by: str | None = None
    every_minutes: int = 10
    newest_minutes_ago: float = 0
    count: int = RUNS
    last: Sequence[SeededRun] = ()
    """The newest runs, instead of successes."""
    odd: Sequence[tuple[int, str, str]] = ()
    """(place, status, reason) of runs in between that did not succeed."""

    def runs(self) -> list[SeededRun]:
        """Return its runs, oldest first."""
        odd = {place: (status, reason) for place, status, reason in self.odd}
        made = []
        for place in range(self.count):
            ago = self.newest_minutes_ago + self.every_minutes * (
                self.count - 1 - place + len(self.last)
            )
            status, reason = odd.get(place, ("success", "Completed"))
            seconds = 2.2 + (place * 7919 % 17) / 9 + (6 if place % 11 == 4 else 0)  # noqa: PLR2004
            made.append(
                SeededRun(
                    minutes_ago=ago,
                    seconds=0.1 if status == "skipped" else seconds,
                    status=status,
                    reason=reason,
                    loaded=self.coins * 9 if status == "success" else 0,
                    unchanged=self.coins if status == "success" else 0,
                    rejected=6 if self.drifted and place == self.count - 1 else 0,
                )
            )
        return [*made, *self.last]


UNREACHABLE = (
    "prices.example.org: the name does not resolve (5 attempts). Check this machine's network and "
    "DNS, and the source's URL."
)

SOURCES = (
    SeededSource(
        name="coingecko",
        source_type="coingecko",
        newest_minutes_ago=4,
        coins=24,
        matched_by="minted",
        odd=((9, "interrupted", "Interrupted"), (23, "failure", "RateLimited")),
    ),
    SeededSource(
        name="coinpaprika",
        source_type="coinpaprika",
        newest_minutes_ago=7,
        coins=22,
        price_factor="1.0007",
        matched_by="evidence",
        drifted=True,
        odd=((14, "skipped", "AlreadyRunning"),),
    ),
    SeededSource(
        name="coingecko-asia",
        source_type="coingecko",
        schedule="0 * * * *",
        time_zone="Asia/Tokyo",
        max_age_seconds=5400,
        every_minutes=60,
        newest_minutes_ago=190,
        coins=12,
        price_factor="0.9989",
    ),
    SeededSource(
        name="desk-prices",
        namespace="research",
        source_type="csv",
        schedule="*/15 8-18 * * MON-FRI",
        time_zone="Europe/Berlin",
        max_age_seconds=7200,
        every_minutes=15,
        newest_minutes_ago=12,
        coins=6,
        price_factor="1.004",
        matched_by="evidence",
        count=24,
        odd=((11, "failure", "UpstreamUnreachable"),),
        last=[
            SeededRun(
                minutes_ago=12 + 15 * back,
                seconds=4.9 + back,
                status="failure",
                reason="UpstreamUnreachable",
                message=UNREACHABLE,
                retries=4,
            )
            for back in (4, 3, 2, 1, 0)
        ],
    ),
    SeededSource(
        name="archive-2018",
        namespace="research",
        source_type="csv",
        schedule="0 3 * * *",
        suspended=True,
        max_age_seconds=None,
        every_minutes=1440,
        newest_minutes_ago=30_000,
        count=9,
    ),
    SeededSource(name="new-listings", source_type="coingecko", schedule="30 6 * * MON", count=0),
    SeededSource(
        name="coinpaprika-pro",
        source_type="coinpaprika",
        schedule="*/2 * * * *",
        max_age_seconds=300,
        count=0,
        last=[
            SeededRun(
                minutes_ago=0.4,
                status="running",
                reason=None,
                loaded=1500,
                records_total=9000,
            )
        ],
    ),
)
