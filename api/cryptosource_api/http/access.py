"""Authentication and authorisation: one rule for all routes, so that a new one is never open.

A key comes as `Authorization: Bearer KEY` or `X-API-Key: KEY`. A browser, which cannot send either
for a link, is asked for a password by HTTP Basic: the key, with any user name. Browsers send such
passwords by themselves, also with a form on another site's page, so they allow reading alone.
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
"""Probes cannot send a key; the documentation contains no data."""
OPEN_BELOW = "/docs/assets/"
TRIGGER_PATH = "/trigger-etl"
ADMIN_PATHS = frozenset({"/health/detailed"})
"""Paths that show the installation, not the market."""

SAFE_METHODS = frozenset({"GET", "HEAD"})
REALM = 'realm="cryptosource"'
SCOPE_KEY = "cryptosource.identity"


NO_SCOPES: frozenset[Scope] = frozenset()
READ_SCOPES = frozenset({Scope.READ})
TRIGGER_SCOPES = frozenset({Scope.TRIGGER})
TRIGGER_READ_SCOPES = READ_SCOPES | TRIGGER_SCOPES
ADMIN_SCOPES = frozenset({Scope.ADMIN})
SCHEDULER = Identity(name="scheduler", scopes=TRIGGER_SCOPES)


def needed_scopes(method: str, path: str) -> frozenset[Scope]:
    """Return the scopes of which a request needs one; empty for a path that is open."""
    if path in OPEN_PATHS or path.startswith(OPEN_BELOW):
        return NO_SCOPES
    if method not in SAFE_METHODS:
        return TRIGGER_SCOPES
    if path in ADMIN_PATHS:
        return ADMIN_SCOPES
    if path == TRIGGER_PATH or path.startswith(f"{TRIGGER_PATH}/"):
        return TRIGGER_READ_SCOPES
    return READ_SCOPES


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """A key that a request carries."""

    key: str
    by_browser: bool = False
    """It came as a password (HTTP Basic), which a browser may have sent by itself."""


def credential_of(scope: AsgiScope) -> Credential | None:
    """Return the credential of a request; None without one.

    Raises:
        ApiProblem: 401; the header cannot be read, or there are several.
    """
    present = context_of(scope).headers
    # By name first: most requests have neither header, and their headers need no second pass.
    if b"authorization" not in present and b"x-api-key" not in present:
        return None
    credentials = [
        # Latin-1 decodes any bytes; a wrong key is then unknown, not an error.
        (name, value.decode("latin-1").strip())
        for name, value in scope["headers"]
        if name in {b"authorization", b"x-api-key"}
    ]
    if len(credentials) > 1:
        raise unauthorized(scope, "Send one Authorization or one X-API-Key header, not several")
    name, value = credentials[0]
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
    # The user name is ignored: a key identifies its owner.
    return pair.partition(":")[2]


def unauthorized(scope: AsgiScope, detail: str, *, error: str = "") -> ApiProblem:
    """Return the 401 for a request, with the challenge that suits its client."""
    # For a browser Basic alone: Chromium reads a list of challenges as one, and asks for no
    # password if it does not know the first.
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
    """Decides whether a request is allowed.

    Args:
        settings: `auth` and `scheduler_token_digest`.
        keys: looks keys up.
    """

    def __init__(self, settings: ApiSettings, keys: KeyRing) -> None:
        self._settings = settings
        self.keys = keys

    def requires_credential(self, needed: frozenset[Scope]) -> bool:
        """Return whether a request that needs one of these scopes must carry a credential."""
        if self._settings.needs_keys:
            return bool(needed)
        return needed == TRIGGER_SCOPES and self._settings.scheduler_token_digest is not None

    def needs_look_up(self, credential: Credential) -> bool:
        """Return whether `identify` would query the database."""
        return self._settings.needs_keys and self.keys.needs_look_up(credential.key)

    async def identify(self, credential: Credential) -> Identity | None:
        """Return the owner of a credential; None for one that is not in force."""
        # Digests in constant time: how long the comparison takes must not tell of the token.
        expected = self._settings.scheduler_token_digest
        if expected is not None and hmac.compare_digest(expected, digest_of(credential.key)):
            return SCHEDULER
        return await self.keys.identity(credential.key) if self._settings.needs_keys else None

    def decide(
        self, scope: AsgiScope, identity: Identity | None, credential: Credential | None
    ) -> None:
        """Check that a request is allowed.

        Raises:
            ApiProblem: 401 without a credential in force, 403 when it does not allow this.
        """
        method = scope.get("method", "GET")
        needed = needed_scopes(method, scope["path"])
        if not self.requires_credential(needed):
            return
        if credential is None:
            raise unauthorized(
                scope, "Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
            )
        if identity is None:
            raise unauthorized(
                scope, "The key is unknown, revoked or expired", error="invalid_token"
            )
        # A form on another site's page could send the request with the stored password.
        if credential.by_browser and method not in SAFE_METHODS:
            raise unauthorized(scope, "A password lets read only; send `Authorization: Bearer KEY`")
        if not any(identity.may(each) for each in needed):
            raise _forbidden(needed)


def identity_of(scope: AsgiScope) -> Identity | None:
    """Return the identity of a request's caller; None if no credential was checked."""
    identity = scope.get(SCOPE_KEY)
    return identity if isinstance(identity, Identity) else None
