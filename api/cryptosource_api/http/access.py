"""Who may ask what: one rule for all routes, so that a new one is never open by mistake.

A key comes as `Authorization: Bearer KEY` or `X-API-Key: KEY`. A browser, which can send neither on
a click, is asked for a password: the key, with any user name. Browsers send passwords on their own,
also for a form of somebody else's page, so that way in is for reading alone.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

from starlette.types import Scope as AsgiScope

from cryptosource_api.http.api_keys import Identity, KeyRing
from cryptosource_api.http.problems import URN, ApiProblem
from cryptosource_api.http.request_context import context_of
from cryptosource_api.settings import ApiSettings
from cryptosource_store.api_keys import Scope, digest_of

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/docs", "/redoc", "/openapi.json"})
"""Probes come without a key; the documentation holds no data."""
OPEN_BELOW = "/docs/assets/"
TRIGGER_PATH = "/trigger-etl"
ADMIN_PATHS = frozenset({"/health/detailed"})
"""Tell of the installation, not of the market."""

SAFE_METHODS = frozenset({"GET", "HEAD"})
REALM = 'realm="cryptosource"'
SCOPE_KEY = "cryptosource.identity"


NOBODYS: frozenset[Scope] = frozenset()
READERS = frozenset({Scope.READ})
TRIGGERERS = frozenset({Scope.TRIGGER})
FOLLOWERS = READERS | TRIGGERERS
ADMINS = frozenset({Scope.ADMIN})
SCHEDULER = Identity(name="scheduler", scopes=TRIGGERERS)


def needed_scopes(method: str, path: str) -> frozenset[Scope]:
    """Return the scopes of which one is needed; none at all for what is open to everybody."""
    if path in OPEN_PATHS or path.startswith(OPEN_BELOW):
        return NOBODYS
    if method not in SAFE_METHODS:
        return TRIGGERERS
    if path in ADMIN_PATHS:
        return ADMINS
    if path == TRIGGER_PATH or path.startswith(f"{TRIGGER_PATH}/"):
        return FOLLOWERS
    return READERS


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What was sent to prove who asks."""

    key: str
    by_browser: bool = False
    """It came as a password, which a browser may have sent on its own."""


def credential_of(scope: AsgiScope) -> Credential | None:
    """Return the credential of a request; None where there is none.

    Raises:
        ApiProblem: 401; what was sent cannot be read, or there are several.
    """
    present = context_of(scope).headers
    if b"authorization" not in present and b"x-api-key" not in present:
        return None
    sent = [
        (name, value.decode("latin-1").strip())
        for name, value in scope["headers"]
        if name in {b"authorization", b"x-api-key"}
    ]
    if len(sent) > 1:
        raise unauthorized(scope, "Send one Authorization or one X-API-Key header, not several")
    name, value = sent[0]
    if name == b"x-api-key":
        return Credential(key=value)
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return Credential(key=rest.strip())
    password = _password(rest) if scheme.lower() == "basic" else None
    if password is None:
        raise unauthorized(scope, "Authorization must be `Bearer KEY`")
    return Credential(key=password, by_browser=True)


def _password(encoded: str) -> str | None:
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return None
    return pair.partition(":")[2]


def unauthorized(scope: AsgiScope, detail: str, *, error: str = "") -> ApiProblem:
    """Return the 401 for a request, with the way to prove who asks that makes sense for it.

    A browser is asked for a password and for nothing else: Chromium takes a line of challenges for
    one, and does not ask at all where the first is none of its own.
    """
    challenge = f'Bearer {REALM}, error="{error}"' if error else f"Bearer {REALM}"
    if any(name == b"accept" and b"text/html" in value for name, value in scope["headers"]):
        challenge = f'Basic {REALM}, charset="UTF-8"'
    return ApiProblem(
        status=401,
        detail=detail,
        kind=f"{URN}unauthorized",
        title="A key is needed",
        headers={"WWW-Authenticate": challenge},
    )


def _forbidden(needed: frozenset[Scope]) -> ApiProblem:
    words = " or ".join(sorted(needed))
    return ApiProblem(
        status=403,
        detail=f"The key does not allow this; it needs the scope {words}",
        kind=f"{URN}forbidden",
        title="The key does not allow this",
        headers={
            "WWW-Authenticate": f'Bearer {REALM}, error="insufficient_scope", '
            f'scope="{" ".join(sorted(needed))}"'
        },
    )


class Access:
    """Decides on each request.

    Args:
        settings: `auth` and `scheduler_token_digest`.
        keys: where keys are known.
    """

    def __init__(self, settings: ApiSettings, keys: KeyRing) -> None:
        self._settings = settings
        self.keys = keys

    def is_asked(self, needed: frozenset[Scope]) -> bool:
        """Return whether a request with those needs must prove who asks."""
        if self._settings.needs_keys:
            return bool(needed)
        return needed == TRIGGERERS and self._settings.scheduler_token_digest is not None

    def would_look_up(self, credential: Credential) -> bool:
        """Return whether `identify` would ask the database."""
        return self._settings.needs_keys and self.keys.needs_look_up(credential.key)

    async def identify(self, credential: Credential) -> Identity | None:
        """Return whose credential it is; None for one that is not in force."""
        expected = self._settings.scheduler_token_digest
        if expected is not None and hmac.compare_digest(expected, digest_of(credential.key)):
            return SCHEDULER
        return await self.keys.identity(credential.key) if self._settings.needs_keys else None

    def decide(
        self, scope: AsgiScope, identity: Identity | None, credential: Credential | None
    ) -> None:
        """Return when the request may go on.

        Raises:
            ApiProblem: 401 without a credential in force, 403 when it does not allow this.
        """
        method = scope.get("method", "GET")
        needed = needed_scopes(method, scope["path"])
        if not self.is_asked(needed):
            return
        if credential is None:
            raise unauthorized(
                scope, "Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
            )
        if identity is None:
            raise unauthorized(
                scope, "The key is unknown, revoked or expired", error="invalid_token"
            )
        if credential.by_browser and method not in SAFE_METHODS:
            raise unauthorized(scope, "A password lets read only; send `Authorization: Bearer KEY`")
        if not any(identity.may(each) for each in needed):
            raise _forbidden(needed)


def identity_of(scope: AsgiScope) -> Identity | None:
    """Return who asks; None where nobody needed to say."""
    identity = scope.get(SCOPE_KEY)
    return identity if isinstance(identity, Identity) else None
