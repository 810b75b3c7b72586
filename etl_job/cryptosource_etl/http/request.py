"""A checked request. A key anywhere but in its header is refused before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from cryptosource_crd.urls import looks_like_key
from cryptosource_etl.errors import Permanent, RunError
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_etl.http.status_policy import Classifier
from cryptosource_etl.http.token_bucket import bucket_key
from cryptosource_etl.http.validators import Validators
from cryptosource_store.reasons import Reason

_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_CLIENT_HEADERS = frozenset({"host", "accept-encoding", "connection", "cookie", "content-length"})
# Shorter keys are not masked in texts: their characters occur in ordinary words.
_MIN_SECRET_LENGTH = 6

Params = Mapping[str, str | int | bool]
"""The parameters of a query."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A checked GET request. Its repr shows neither headers nor the query."""

    url: httpx.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secret: str | None = field(repr=False)
    validators: Validators | None
    classify: Classifier | None

    @property
    def host(self) -> str:
        """The host, with its port unless that is the scheme's default."""
        return self.url.netloc.decode("ascii")

    @property
    def bucket(self) -> str:
        """The name of the token bucket that this call takes from."""
        return bucket_key(self.host, self.secret)

    @contextmanager
    def mask_errors(self) -> Iterator[None]:
        """Mask the key in errors that leave the block: an upstream may have echoed it."""
        try:
            yield
        except RunError as error:
            error.message = self._mask_key(error.message)
            error.args = (error.message,)
            raise
        except AttemptFailed as failure:
            failure.detail = self._mask_key(failure.detail)
            failure.args = (failure.detail,)
            raise

    def _mask_key(self, text: str) -> str:
        return mask_secret(self.secret, text) if self.secret else text


def prepare(
    url: str,
    *,
    params: Params | None,
    headers: Mapping[str, str] | None,
    auth_header: tuple[str, str] | None,
    validators: Validators | None,
    classify: Classifier | None,
    user_agent: str,
) -> Call:
    """Return the checked call.

    Raises:
        Permanent: the URL cannot be used or would carry a key, or a header cannot be sent.
    """
    target = _parse(url)
    if params:
        target = target.copy_merge_params(dict(params))
    secret = auth_header[1] if auth_header else None
    refuse_keys(target, secret)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    sent = {"accept": "*/*"} | {name: sent[name] for name in sent if name not in _CLIENT_HEADERS}
    # gzip alone: `response_body` bounds its expansion, which no other decoder here does.
    sent |= {"user-agent": user_agent, "accept-encoding": "gzip"}
    sent |= validators.as_headers() if validators else {}
    _check_values(sent)
    if auth_header:
        sent[auth_header[0].lower()] = _check_secret(auth_header[1])
    return Call(url=target, headers=sent, secret=secret, validators=validators, classify=classify)


def refuse_keys(url: httpx.URL, secret: str | None) -> None:
    """Raise `Permanent` if a URL would carry a credential: servers and proxies log URLs."""
    if url.userinfo:
        raise Permanent(
            Reason.INVALID_SPEC, f"the URL of {url.host} holds a user or a password: remove them"
        )
    names = [name for name, _ in url.params.multi_items() if looks_like_key(name)]
    if names:
        raise Permanent(
            Reason.INVALID_SPEC,
            f"the query for {url.host} has the parameter {names[0][:40]!r}, which looks like a "
            "credential: keys do not belong into a URL",
        )
    # The second text is percent-decoded: a key may be spelled with escapes in the URL.
    if secret and (secret in str(url) or secret in f"{url.path}?{url.params.values()}"):
        raise Permanent(
            Reason.INVALID_SPEC, f"the URL for {url.host} holds the API key: it goes into a header"
        )


def mask_secret(secret: str, text: str) -> str:
    """Return `text` with `secret` masked, also where `text` ends in the middle of it."""
    if len(secret) < _MIN_SECRET_LENGTH:
        return text
    text = text.replace(secret, "[key]")
    # Messages are cut at a length, which may leave the first half of a key at their end.
    for size in range(len(secret) - 1, _MIN_SECRET_LENGTH - 1, -1):
        if text.endswith(secret[:size]):
            return f"{text[:-size]}[key]"
    return text


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        # Not chained: the cause quotes the URL, which may hold a credential.
        raise Permanent(Reason.INVALID_SPEC, "the source's URL cannot be parsed") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise Permanent(
            Reason.INVALID_SPEC, "the source's URL must start with http:// or https:// and a host"
        )
    return parsed


def _check_values(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise Permanent(
                Reason.INVALID_SPEC, f"the header {name[:40]!r} cannot be sent: write plain ASCII"
            )


def _check_secret(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise Permanent(
            Reason.KEY_REJECTED,
            "the API key is empty or holds a line break, a blank at its end or a character beyond "
            "ASCII: store it in the Secret again, without them",
        )
    return value
