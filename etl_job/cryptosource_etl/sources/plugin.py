"""What a source type has to offer, ours and third parties' alike.

A built-in type is a package of `cryptosource_etl.sources`; another is found by its `spec.type` among
the entry points of the group `cryptosource.sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptosource_etl.clock import Clock
from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cryptosource_crd.v1alpha1 import CryptoSource
    from cryptosource_etl.http import HttpClient


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """What a run hands to a source when it opens it."""

    source: CryptoSource
    """The validated resource."""
    http: HttpClient
    """The one way to the network: bounded, throttled, retried, egress-checked."""
    clock: Clock
    api_key: str | None = field(default=None, repr=False)
    """The key that `spec.apiKeySecretRef` names, without blanks around it; None: there is none."""
    csv_path: Path | None = None
    """The file of `csv.path`, or where a ConfigMap or a volume claim is mounted."""


class SourceReader(Protocol):
    """One open source, for one run. `normalize`, `payload`, `restore` and `shape` are pure."""

    contract_version: str
    """Changes whenever `normalize` would judge the same payload differently."""
    uniform: bool
    """Every record has the same fields (a CSV), so one per page is enough to see the shape."""

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield pages from the cursor on, none larger than the spec's `batchSize`.

        Called in a thread of its own; it may be closed between two pages.

        Raises:
            Retryable: the upstream may answer later.
            Permanent: somebody has to change something first.
        """
        ...

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Judge one record. Total: whatever the upstream sent, it returns and never raises."""
        ...

    def payload(self, record: RawRecord) -> str:
        """Return the record as JSON text, as received where the upstream speaks JSON."""
        ...

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a stored payload; `payload` is JSON text as Postgres prints it."""
        ...

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return field -> JSON type: number, string, boolean, array, object, or null."""
        ...

    def close(self) -> None:
        """Let go of files and connections. Called once, also after an error."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourcePlugin:
    """A source type. A third party registers it as an entry point named like its `spec.type`."""

    open: Callable[[SourceContext], SourceReader]
    options: type[BaseModel] | None = None
    """Third parties only: the model that `spec.options` must satisfy."""
