"""Keys of the API in a test's database."""

from __future__ import annotations

from sqlalchemy import Engine

from cryptosource_store.api_keys import Scope, mint
from cryptosource_store.statements.api_keys import ADD


def make_key(
    engine: Engine, *scopes: Scope, name: str = "someone", days: float | None = 365
) -> str:
    """Store a key and return the whole of it."""
    minted = mint()
    with engine.begin() as connection:
        connection.execute(
            ADD,
            {
                "key_id": minted.key_id,
                "name": name,
                "digest": minted.digest,
                "scopes": list(scopes or (Scope.READ,)),
                "days": days,
            },
        )
    return minted.key


def bearer(key: str) -> dict[str, str]:
    """Return the headers that carry a key."""
    return {"Authorization": f"Bearer {key}"}
