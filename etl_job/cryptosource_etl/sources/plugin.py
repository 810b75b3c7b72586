"""The interface of a source type, built-in or of a third party.

A built-in type is a package of `cryptosource_etl.sources`; another one is found by its `spec.type`
among the entry points of the group `cryptosource.sources`.
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
    """What a run passes to a source when it opens it."""

    source: CryptoSource
    """The validated resource."""
    http: HttpClient
    """The only way to the network: bounded, rate-limited, retried, egress-checked."""
    clock: Clock
    # Not in `repr`: a plugin that logs its context must not log the key.
    api_key: str | None = field(default=None, repr=False)
    """The key that `spec.apiKeySecretRef` refers to, stripped of blanks; None: there is none."""
    csv_path: Path | None = None
    """The file of `csv.path`, or the path at which its ConfigMap or volume claim is mounted."""


class SourceReader(Protocol):
    """One open source, for one run. `normalize`, `payload`, `restore` and `shape` are pure."""

    contract_version: str
    """Changes whenever `normalize` would judge the same payload differently."""
    uniform: bool
    """Whether all records of a page have the same fields (a CSV), so that one shows the shape."""

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield pages from the cursor on, none larger than the spec's `batchSize`.

        Called in a thread of its own; it may be closed between two pages.

        Raises:
            Retryable: the upstream may answer later.
            Permanent: a person has to change the spec, the key, the plan or a file first.
        """
        ...

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Judge one record. Never raises, whatever the upstream sent."""
        ...

    def payload(self, record: RawRecord) -> str:
        """Return the record as JSON text, as received where the upstream speaks JSON."""
        ...

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a stored payload, for a replay.

        Args:
            payload: JSON text as Postgres prints it.

        Raises:
            ValueError, TypeError, LookupError: the payload is not one of this reader's; the record
                then stays as it is.
        """
        ...

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return field -> JSON type: number, string, boolean, array, object, or null."""
        ...

    def close(self) -> None:
        """Close files and connections. Called once, also after an error."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourcePlugin:
    """A source type. A third party registers it as an entry point named like its `spec.type`."""

    open: Callable[[SourceContext], SourceReader]
    options: type[BaseModel] | None = None
    """Third parties only: the model that `spec.options` must satisfy."""
