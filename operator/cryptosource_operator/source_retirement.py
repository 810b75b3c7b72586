"""Retirement of sources whose deletion the operator could not record.

A deletion that a watch delivers is recorded at once. One that happened while the operator or
Postgres was down is found here: Postgres has a source of this cluster that the cache has not.
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from cryptosource_operator.api_client import ApiClient
from cryptosource_operator.kinds import SOURCE, paths
from cryptosource_operator.store_client import RunHistoryReader, Unlisted
from cryptosource_operator.watch_cache import WatchCache

log = logging.getLogger(__name__)


class SourceRetirement:
    """Compares the sources in Postgres with those in the cluster.

    Args:
        api: decides whether a source exists.
        cache: the sources that the watches have delivered.
        database: None where none is configured.
        namespaces: the namespaces to compare; none: all.
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
            ApiError: the API server refused a list.
            ApiUnreachableError: no answer came.
            DatabaseDown: Postgres cannot be reached.
        """
        if self._database is None:
            return
        for suspect in await self._database.unlisted(self._cache.sources, self._namespaces):
            if not await self._exists(suspect) and await self._database.retire(suspect.uid):
                source = f"{suspect.namespace}/{suspect.name}"
                log.info("a source is gone", extra={"source": source})

    async def _exists(self, suspect: Unlisted) -> bool:
        """Return whether the API server has a source with this uid."""
        # The cache is no proof: the watch may be behind, and another operator that is ahead of it
        # may have registered the source. A list with a field selector needs no right to `get`.
        (path,) = paths(SOURCE, (suspect.namespace,))
        query = urlencode({"fieldSelector": f"metadata.name={suspect.name}"})
        found = await self._api.request("GET", f"{path}?{query}")
        return any(obj["metadata"]["uid"] == suspect.uid for obj in found["items"])
