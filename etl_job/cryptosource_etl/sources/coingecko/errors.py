"""Classify CoinGecko's errors, which come in four shapes, by reason.

Codes of the "Errors & Rate Limits" page of 2026: 10002 key missing, 10005 plan restricted,
10010 pro key on the public host, 10011 demo key on the pro host, 10012 time range beyond the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptosource_etl.errors import Permanent, RunError
from cryptosource_etl.http import Answer, TryAgain
from cryptosource_etl.sources.json_records import exact_json
from cryptosource_store.reasons import Reason

_HINTS: Mapping[int, tuple[Reason, str]] = {
    10002: (Reason.KEY_MISSING, "no API key was sent; set spec.apiKeySecretRef"),
    10005: (Reason.PLAN_TOO_LOW, "the plan does not include this; see spec.coinGecko.plan"),
    10010: (
        Reason.KEY_REJECTED,
        "this is a key of a paid plan; set spec.coinGecko.plan to Basic or higher",
    ),
    10011: (Reason.KEY_REJECTED, "this is a Demo key; set spec.coinGecko.plan to Demo"),
    10012: (Reason.PLAN_TOO_LOW, "the plan does not reach that far back"),
}

# CoinGecko answers a key that it does not know with the code of a missing one. Only the request
# shows which of the two it was.
_HINTS_WITH_KEY: Mapping[int, tuple[Reason, str]] = {
    **_HINTS,
    10002: (
        Reason.KEY_REJECTED,
        "it does not know the API key that was sent; see spec.apiKeySecretRef",
    ),
}


def _error_code(body: Any) -> int | None:
    """Return the code from `{status: …}` or `{error: {status: …}}`, if there is one."""
    for _ in range(3):
        if not isinstance(body, dict):
            return None
        code = body.get("error_code")
        if isinstance(code, int):
            return code
        body = body.get("status") if isinstance(body.get("status"), dict) else body.get("error")
    return None


def classify(answer: Answer) -> RunError | TryAgain | None:
    """Return the meaning of an error if it differs from the usual one of its status; else None."""
    return _classify(answer, _HINTS)


def classify_with_key(answer: Answer) -> RunError | TryAgain | None:
    """Return the meaning of an error as `classify` does, for a request that carried a key."""
    return _classify(answer, _HINTS_WITH_KEY)


def _classify(
    answer: Answer, hints: Mapping[int, tuple[Reason, str]]
) -> RunError | TryAgain | None:
    if not 400 <= answer.status < 500:  # noqa: PLR2004
        return None
    # Cloudflare, in front of CoinGecko, answers in plain text and not in JSON.
    if b"error code: 1015" in answer.head:
        detail = "CoinGecko's edge limits this address (1015)"
        return TryAgain(reason=Reason.RATE_LIMITED, detail=detail)
    if b"error code: 1020" in answer.head:
        return Permanent(Reason.UPSTREAM_REFUSED, "CoinGecko's edge refuses this address (1020)")
    # The head may be cut or no JSON at all; then the status alone has to do.
    try:
        code = _error_code(exact_json(answer.head.decode("utf-8", errors="replace")))
    except ValueError:
        return None
    if code is None or code not in hints:
        return None
    reason, hint = hints[code]
    return Permanent(reason, f"CoinGecko answered {answer.status} with code {code}: {hint}")
