"""The HTTP client that every source uses; sources have no other access to the network.

Belongs here: what holds for any upstream, that is limits on bytes and time, rate limiting, retries,
the circuit breaker, the egress policy, handling of API keys, counters, logs and spans. Never here:
how one vendor's answers are interpreted; a source passes a `Classifier` for that. Nothing here
knows records, pages or the database, reads the environment, or imports `sources` or `pipeline`.

Whatever an upstream does, a call ends in bounded time and memory with a `Response` or a `RunError`.
"""

from __future__ import annotations

from cryptosource_etl.http.circuit_breaker import CircuitBreaker
from cryptosource_etl.http.client import HttpClient
from cryptosource_etl.http.egress import ALLOW_SETTING, EgressPolicy, parse_cidrs
from cryptosource_etl.http.request_limits import HttpLimits, RetryPolicy
from cryptosource_etl.http.response import Response, StreamedResponse
from cryptosource_etl.http.retry import parse_retry_after
from cryptosource_etl.http.status_policy import Answer, Classifier, TryAgain
from cryptosource_etl.http.token_bucket import RateLimiter, TokenBucket
from cryptosource_etl.http.transport import Resolver
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.http.validators import Validators

__all__ = [
    "ALLOW_SETTING",
    "Answer",
    "CircuitBreaker",
    "Classifier",
    "EgressPolicy",
    "HttpClient",
    "HttpLimits",
    "RateLimiter",
    "Resolver",
    "Response",
    "RetryPolicy",
    "StreamedResponse",
    "TokenBucket",
    "TryAgain",
    "Usage",
    "Validators",
    "parse_cidrs",
    "parse_retry_after",
]
