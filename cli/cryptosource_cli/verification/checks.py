"""The checks of a deployment, in the order in which a person would make them."""

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

# Renewal is automatic and early almost everywhere: with less left, a person has to act now.
MIN_CERTIFICATE_DAYS = 14
"""Days until the expiry of a certificate below which the check fails."""
MAX_RECORDS = 50_000
"""Records of `/data` that are checked."""
PAGE_SIZE = 100
OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
DESCRIPTION = "/openapi.json"

JSON = "application/json"
STREAM = "text/event-stream"
"""Media type of a stream, of which only the headers are read."""

METRICS = (
    *("etl_runs_total", "etl_duration_seconds", "etl_records_processed_total"),
    *("api_requests_total", "api_latency_seconds", "etl_freshness_seconds"),
    *("etl_checkpoint_age_seconds", "cryptosource_database_up"),
)
"""Metric families that must be declared, with or without a sample."""

GOOD_STATES = frozenset({"ok", "loading", "suspended"})
"""States of a source that need no action."""


class Verdict(StrEnum):
    """The result of a check."""

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
    """The deployment refuses a request without a key, or with this one."""


class Verification:
    """The verification of one deployment.

    Args:
        deployment: the deployment.
        now: an aware time, for the certificate.
        judge_sources: a source in a bad state is a failure; otherwise it is a warning.
    """

    def __init__(self, deployment: Deployment, *, now: datetime, judge_sources: bool) -> None:
        self._deployment, self._now, self._judge_sources = deployment, now, judge_sources

    def findings(self) -> Iterator[Finding]:
        """Yield the findings of each check; if the API does not answer, only those of the first."""
        first = self._run_check("reachable", self._reachable)
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
            yield from self._run_check(name, check)

    def _run_check(self, name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
        try:
            return list(check())
        except KeyNeeded as error:
            return [Finding(check=name, verdict=Verdict.SKIPPED, detail=str(error))]
        except NoAnswer as error:
            return [Finding(check=name, verdict=Verdict.FAILED, detail=str(error))]
        except (KeyError, TypeError, AttributeError):
            words = "the answer has not the form of this API's: is it another version, or another service?"
            return [Finding(check=name, verdict=Verdict.FAILED, detail=words)]

    def _fetch(self, path: str, *, accept: str = JSON) -> Answer:
        answer = self._deployment.get(path, accept=accept, whole=accept != STREAM)
        if answer.status == UNAUTHORIZED:
            raise KeyNeeded("a key is needed: name the variable that holds it by --api-key-env")
        if answer.status == FORBIDDEN:
            raise KeyNeeded("the key's scopes do not reach that far")
        if answer.status != OK:
            raise NoAnswer(
                f"{path.partition('?')[0]} answers {answer.status}: {_detail_of(answer)}"
            )
        return answer

    def _reachable(self) -> Iterator[Finding]:
        self._fetch("/health/live")
        yield _ok("reachable", "the API answers")

    def _tls(self) -> Iterator[Finding]:
        if not self._deployment.secure:
            words = "asked by http: nothing is said of certificates"
            yield Finding(check="tls", verdict=Verdict.SKIPPED, detail=words)
            return
        ends = self._deployment.certificate_ends()
        days = (ends - self._now).days
        verdict = Verdict.OK if days >= MIN_CERTIFICATE_DAYS else Verdict.FAILED
        words = f"the certificate holds until {ends:%Y-%m-%d}, {days} days from now"
        yield Finding(check="tls", verdict=verdict, detail=words)

    def _ready(self) -> Iterator[Finding]:
        revision = self._fetch("/health/ready").json()["data"]["revision"]
        yield _ok("ready", f"the schema is at revision {revision}")

    def _database(self) -> Iterator[Finding]:
        database = self._fetch("/health").json()["data"]["database"]
        if database["status"] != "ok":
            raise NoAnswer(f"{database['reason']}: {database['message']}")
        yield _ok("database", "Postgres answers")

    def _sources(self) -> Iterator[Finding]:
        sources = self._fetch("/health").json()["data"]["sources"]
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
        if state not in GOOD_STATES:
            # A source that has never run may have been created a moment ago.
            bad = self._judge_sources and state != "never_run"
            verdict = Verdict.FAILED if bad else Verdict.WARNING
            words += [str(source["message"])[:200]] if source["message"] else []
        return Finding(check=name, verdict=verdict, detail=", ".join(words))

    def _tickers(self) -> Iterator[Finding]:
        """Check that no id names two coins, and that the list is complete."""
        coins, wrong = self._coins()
        # Once more before it counts: a page may have been loaded between two requests.
        if wrong:
            coins, wrong = self._coins()
        if wrong:
            raise NoAnswer(wrong)
        owners = sum("~" not in name for name in coins)
        yield _ok("tickers", f"{len(coins)} coins, {owners} of them own their ticker, none twice")

    def _coins(self) -> tuple[Mapping[str, int], str | None]:
        """Return id -> coin of all records, and what is wrong with the list; None if nothing is."""
        # By asset_id, the only order that loads do not change; in any other one a coin may move
        # while the list is read, and be seen twice.
        coins: dict[str, int] = {}
        cursor = ""
        while len(coins) < MAX_RECORDS:
            page = self._fetch(f"/data?page_size={PAGE_SIZE}&sort=asset_id{cursor}").json()
            for record in page["data"]:
                name, asset_id = str(record["id"]), int(record["asset_id"])
                if coins.setdefault(name, asset_id) != asset_id:
                    return coins, f"two coins go by the id {name!r:.60}"
            paging = page["pagination"]
            if not paging["next_cursor"]:
                short = len(coins) < paging["total"]
                return coins, _INCOMPLETE.format(len(coins), paging["total"]) if short else None
            cursor = f"&cursor={quote(paging['next_cursor'], safe='')}"
        return coins, None

    def _metrics(self) -> Iterator[Finding]:
        text = self._fetch("/metrics", accept="text/plain").body.decode("utf-8", errors="replace")
        declared = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
        gone = [name for name in METRICS if name not in declared]
        if gone:
            raise NoAnswer(f"missing: {', '.join(gone)}")
        yield _ok("metrics", f"{len(declared)} families")

    def _endpoints(self) -> Iterator[Finding]:
        if self._deployment.get(DESCRIPTION, accept=JSON).status == NOT_FOUND:
            words = "the description is switched off (CRYPTOSOURCE_API_DOCS)"
            yield Finding(check="endpoints", verdict=Verdict.SKIPPED, detail=words)
            return
        document = self._fetch(DESCRIPTION).json()
        for path, operations in sorted(document["paths"].items()):
            if "get" in operations:
                yield from self._run_check(f"GET {path}", partial(self._endpoint, path, document))

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
        example = self._example(path)
        if example is None:
            words = "there is nothing yet to ask for"
            yield Finding(check=name, verdict=Verdict.SKIPPED, detail=words)
            return
        declared = operation["responses"]["200"]["content"]
        media_type = next(
            (each for each in (STREAM, JSON) if each in declared), next(iter(declared))
        )
        answer = self._fetch(example, accept=media_type)
        if not answer.headers.get("content-type", "").startswith(media_type):
            raise NoAnswer(f"answers {answer.headers.get('content-type', 'no content type')}")
        if media_type == JSON:
            schema = declared[media_type].get("schema", {})
            wrong = mismatch(answer.json(), schema, document)
            if wrong:
                raise NoAnswer(f"not as declared: {wrong}")
        yield _ok(name, "answers as declared")

    def _example(self, path: str) -> str | None:
        """Return a path with its parameter taken from a list; None if there is no example."""
        if "{" not in path:
            return path
        kind = next((each for each in _EXAMPLES if path.startswith(each)), None)
        if kind is None:
            return None
        member, list_path = _EXAMPLES[kind]
        items = self._fetch(list_path).json()["data"]
        if not items:
            return None
        return re.sub(r"\{[^}]+\}", quote(str(items[0][member]), safe=""), path)


_INCOMPLETE = "the list ends after {} coins, and says that there are {}"

_EXAMPLES = {
    "/data/{": ("id", "/data?page_size=1"),
    "/stats/runs/{": ("run_id", "/stats/runs?limit=1"),
}
"""Beginning of a path with a parameter -> member of a list's records, and the path of the list."""


def _ok(check: str, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def _detail_of(answer: Answer) -> str:
    try:
        return str(answer.json()["detail"])[:200]
    except (NoAnswer, KeyError, TypeError):
        return "no word why"
