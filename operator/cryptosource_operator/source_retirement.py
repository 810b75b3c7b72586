"""Retiring sources that were deleted while nobody could write it down.

A delete that the operator sees is written at once. One that happened while the operator or Postgres
was away is found here: Postgres has a source of this cluster that no watch has brought.
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from cryptosource_operator.api_client import ApiClient
from cryptosource_operator.kinds import SOURCE, paths
from cryptosource_operator.run_history import RunHistoryReader, Unlisted
from cryptosource_operator.watch_cache import WatchCache

log = logging.getLogger(__name__)


class SourceRetirement:
    """Compares the sources in Postgres with those in the cluster.

    Args:
        api: has the last word on whether a source is there.
        cache: the sources that are known.
        database: None where there is none.
        namespaces: which are served; none: all.
    """

    def __init__(
        self,
        api: ApiClient,
        cache: WatchCache,
        database: RunHistoryReader | None,
        *,
        namespaces: tuple[str, ...],
    ) -> None:
        self._api, self._cache, self._database = api, cache, database
        self._namespaces = namespaces

    async def sweep(self) -> None:
        """Retire every source that is gone.

        Raises:
            ApiError: the API server could not say what is there.
            ApiUnreachableError: it did not answer.
            DatabaseDown: Postgres cannot be asked.
        """
        if self._database is None:
            return
        for suspect in await self._database.unlisted(self._cache.sources, self._namespaces):
            if not await self._exists(suspect) and await self._database.retire(suspect.uid):
                source = f"{suspect.namespace}/{suspect.name}"
                log.info("a source is gone", extra={"source": source})

    async def _exists(self, suspect: Unlisted) -> bool:
        """Ask the API server: the watch may be behind, and another operator ahead of it."""
        (path,) = paths(SOURCE, (suspect.namespace,))
        query = urlencode({"fieldSelector": f"metadata.name={suspect.name}"})
        found = await self._api.request("GET", f"{path}?{query}")
        return any(obj["metadata"]["uid"] == suspect.uid for obj in found["items"])
