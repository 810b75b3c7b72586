"""What there is to check, in the order in which a person would look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any
from urllib.parse import quote

from cryptosource_cli.verification.api_client import Answer, Deployment, NoAnswer
from cryptosource_cli.verification.schemas import mismatch

CERTIFICATE_DAYS = 14
"""A certificate that ends sooner is a failure: somebody has to act now."""
RECORDS = 50_000
"""Records of `/data` that are looked at."""
PAGE = 100
OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
DESCRIPTION = "/openapi.json"

JSON = "application/json"
STREAM = "text/event-stream"
"""Of it the head alone is read."""

METRICS = (
    *("etl_runs_total", "etl_duration_seconds", "etl_records_processed_total"),
    *("api_requests_total", "api_latency_seconds", "etl_freshness_seconds"),
    *("etl_checkpoint_age_seconds", "cryptosource_database_up"),
)
"""Families that must be declared, with or without a sample."""

GOOD = frozenset({"ok", "loading", "suspended"})
"""States of a source that ask for nothing."""


class Verdict(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    check: str
    verdict: Verdict
    detail: str


class KeyNeeded(Exception):
    """The deployment does not tell this without a key, or with this one."""


class Verification:
    """One look at a deployment.

    Args:
        deployment: whom to ask.
        now: an aware time, for the certificate.
        judge_sources: whether a source that is not well fails the whole.
    """

    def __init__(self, deployment: Deployment, *, now: datetime, judge_sources: bool) -> None:
        self._deployment, self._now, self._judge_sources = deployment, now, judge_sources

    def findings(self) -> Iterator[Finding]:
        """Yield what each check found; without an answer at all nothing else is asked."""
        first = self._guarded("reachable", self._reachable)
        yield from first
        if any(finding.verdict is Verdict.FAILED for finding in first):
            return
        for name, check in (
            ("tls", self._tls),
            ("ready", self._ready),
            ("database", self._database),
            ("sources", self._sources),
            ("tickers", self._tickers),
            ("metrics", self._metrics),
            ("endpoints", self._endpoints),
        ):
            yield from self._guarded(name, check)

    def _guarded(self, name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
        try:
            return list(check())
        except KeyNeeded as needed:
            return [Finding(check=name, verdict=Verdict.SKIPPED, detail=str(needed))]
        except NoAnswer as error:
            return [Finding(check=name, verdict=Verdict.FAILED, detail=str(error))]
        except (KeyError, TypeError, AttributeError):
            words = "the answer has not the form of this API's: is it another version, or another service?"
            return [Finding(check=name, verdict=Verdict.FAILED, detail=words)]

    def _told(self, path: str, *, accept: str = JSON) -> Answer:
        answer = self._deployment.get(path, accept=accept, whole=accept != STREAM)
        if answer.status == UNAUTHORIZED:
            raise KeyNeeded("a key is needed: name the variable that holds it by --api-key-env")
        if answer.status == FORBIDDEN:
            raise KeyNeeded("the key's scopes do not reach that far")
        if answer.status != OK:
            raise NoAnswer(f"{path.partition('?')[0]} answers {answer.status}: {_problem(answer)}")
        return answer

    def _reachable(self) -> Iterator[Finding]:
        self._told("/health/live")
        yield _fine("reachable", "the API answers")

    def _tls(self) -> Iterator[Finding]:
        if not self._deployment.secure:
            words = "asked by http: nothing is said of certificates"
            yield Finding(check="tls", verdict=Verdict.SKIPPED, detail=words)
            return
        ends = self._deployment.certificate_ends()
        days = (ends - self._now).days
        verdict = Verdict.OK if days >= CERTIFICATE_DAYS else Verdict.FAILED
        words = f"the certificate holds until {ends:%Y-%m-%d}, {days} days from now"
        yield Finding(check="tls", verdict=verdict, detail=words)

    def _ready(self) -> Iterator[Finding]:
        revision = self._told("/health/ready").json()["data"]["revision"]
        yield _fine("ready", f"the schema is at revision {revision}")

    def _database(self) -> Iterator[Finding]:
        database = self._told("/health").json()["data"]["database"]
        if database["status"] != "ok":
            raise NoAnswer(f"{database['reason']}: {database['message']}")
        yield _fine("database", "Postgres answers")

    def _sources(self) -> Iterator[Finding]:
        sources = self._told("/health").json()["data"]["sources"]
        if not sources:
            words = "there is none yet: kubectl apply -f samples/"
            yield Finding(check="sources", verdict=Verdict.WARNING, detail=words)
        for source in sources:
            yield self._source(source)

    def _source(self, source: Mapping[str, Any]) -> Finding:
        name = f"source {source['namespace']}/{source['source']}"
        state, run, fresh = source["state"], source["last_run"], source["freshness"]
        words = [state.replace("_", " ")]
        if run is not None:
            words.append(f"last run {run['status']} ({run['reason']})")
        if fresh["age_seconds"] is not None:
            limit = fresh["max_age_seconds"]
            words.append(
                f"loaded {fresh['age_seconds']} s ago" + (f" of {limit} s allowed" if limit else "")
            )
        verdict = Verdict.OK
        if state not in GOOD:
            bad = self._judge_sources and state != "never_run"
            verdict = Verdict.FAILED if bad else Verdict.WARNING
            words += [str(source["message"])[:200]] if source["message"] else []
        return Finding(check=name, verdict=verdict, detail=", ".join(words))

    def _tickers(self) -> Iterator[Finding]:
        """Look again before anything is said to be wrong: a load may have come in between."""
        coins, wrong = self._coins()
        if wrong:
            coins, wrong = self._coins()
        if wrong:
            raise NoAnswer(wrong)
        owners = sum("~" not in name for name in coins)
        yield _fine("tickers", f"{len(coins)} coins, {owners} of them own their ticker, none twice")

    def _coins(self) -> tuple[Mapping[str, int], str | None]:
        """Return each id with its coin, and what is wrong with the list.

        In the one order that loads do not change; in any other a coin may be shown twice.
        """
        coins: dict[str, int] = {}
        cursor = ""
        while len(coins) < RECORDS:
            page = self._told(f"/data?page_size={PAGE}&sort=asset_id{cursor}").json()
            for record in page["data"]:
                name, asset_id = str(record["id"]), int(record["asset_id"])
                if coins.setdefault(name, asset_id) != asset_id:
                    return coins, f"two coins go by the id {name!r:.60}"
            paging = page["pagination"]
            if not paging["next_cursor"]:
                short = len(coins) < paging["total"]
                return coins, _SHORT.format(len(coins), paging["total"]) if short else None
            cursor = f"&cursor={quote(paging['next_cursor'], safe='')}"
        return coins, None

    def _metrics(self) -> Iterator[Finding]:
        text = self._told("/metrics", accept="text/plain").body.decode("utf-8", errors="replace")
        declared = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
        gone = [name for name in METRICS if name not in declared]
        if gone:
            raise NoAnswer(f"missing: {', '.join(gone)}")
        yield _fine("metrics", f"{len(declared)} families")

    def _endpoints(self) -> Iterator[Finding]:
        if self._deployment.get(DESCRIPTION, accept=JSON).status == NOT_FOUND:
            words = "the description is switched off (CRYPTOSOURCE_API_DOCS)"
            yield Finding(check="endpoints", verdict=Verdict.SKIPPED, detail=words)
            return
        document = self._told(DESCRIPTION).json()
        for path, operations in sorted(document["paths"].items()):
            if "get" in operations:
                yield from self._guarded(f"GET {path}", partial(self._endpoint, path, document))

    def _endpoint(self, path: str, document: Mapping[str, Any]) -> Iterator[Finding]:
        name = f"GET {path}"
        operation = document["paths"][path]["get"]
        if any(
            each["in"] == "query" and each.get("required")
            for each in operation.get("parameters", ())
        ):
            words = "it is asked with parameters that only a person can choose"
            yield Finding(check=name, verdict=Verdict.SKIPPED, detail=words)
            return
        asked = self._example(path)
        if asked is None:
            words = "there is nothing yet to ask for"
            yield Finding(check=name, verdict=Verdict.SKIPPED, detail=words)
            return
        declared = operation["responses"]["200"]["content"]
        wanted = next((each for each in (STREAM, JSON) if each in declared), next(iter(declared)))
        answer = self._told(asked, accept=wanted)
        if not answer.headers.get("content-type", "").startswith(wanted):
            raise NoAnswer(f"answers {answer.headers.get('content-type', 'no content type')}")
        if wanted == JSON:
            schema = declared[wanted].get("schema", {})
            wrong = mismatch(answer.json(), schema, document)
            if wrong:
                raise NoAnswer(f"not as declared: {wrong}")
        yield _fine(name, "answers as declared")

    def _example(self, path: str) -> str | None:
        """Return a path that exists, with what it is of taken from the lists; None: no such thing."""
        if "{" not in path:
            return path
        kind = next((each for each in _EXAMPLES if path.startswith(each)), None)
        if kind is None:
            return None
        member, listed = _EXAMPLES[kind]
        items = self._told(listed).json()["data"]
        if not items:
            return None
        return re.sub(r"\{[^}]+\}", quote(str(items[0][member]), safe=""), path)


_SHORT = "the list ends after {} coins, and says that there are {}"

_EXAMPLES = {
    "/data/{": ("id", "/data?page_size=1"),
    "/stats/runs/{": ("run_id", "/stats/runs?limit=1"),
}
"""Beginning of a path with a parameter -> which member of which list fills it in."""


def _fine(check: str, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def _problem(answer: Answer) -> str:
    try:
        return str(answer.json()["detail"])[:200]
    except (NoAnswer, KeyError, TypeError):
        return "no word why"
