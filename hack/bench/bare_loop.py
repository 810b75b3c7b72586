"""`python -m hack.bench.bare_loop KUBECONFIG COUNT`: the floor under converging on create.

Per source the calls that nobody can spare, by the operator's own client and with as many
connections: the source is created, its CronJob applied, its status written. Nothing is watched,
planned, compared or asked of Postgres. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hack.bench import crowd, planes

from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_operator.api_client import MAX_CONNECTIONS, ApiClient
from cryptosource_operator.cronjob_plan import plan_cronjob
from cryptosource_operator.observed_state import ObservedState
from cryptosource_operator.settings import JobSettings
from cryptosource_operator.source_facts import HistoryFacts
from cryptosource_operator.source_parser import Readable
from cryptosource_operator.status import summarize

PLACEHOLDER = "00000000-0000-4000-8000-000000000000"
"""Stands for the uid, which the API server gives."""


def bodies(count: int) -> list[tuple[dict[str, Any], str, str]]:
    """Return source, CronJob and status of each, the latter two as JSON with the placeholder."""
    return [(manifest, *_children(manifest)) for manifest in crowd.manifests(count)]


def _children(manifest: dict[str, Any]) -> tuple[str, str]:
    metadata = manifest["metadata"] | {"uid": PLACEHOLDER}
    source = CryptoSource.model_validate(manifest | {"metadata": metadata})
    cronjob = plan_cronjob(source, JobSettings(image="cryptosource-etl:bench"))
    state = ObservedState(
        generation=1,
        reading=Readable(source=source),
        now=datetime.now(tz=UTC),
        cronjob=cronjob,
        history=HistoryFacts(),
    )
    return json.dumps(cronjob), json.dumps({"status": summarize(state)})


async def one_source(api: ApiClient, manifest: dict[str, Any], cronjob: str, status: str) -> None:
    """Do for one source what has to be done."""
    sources = crowd.collection(manifest["metadata"])
    made = await planes.patiently(partial(api.create, sources, manifest))
    uid = made["metadata"]["uid"]
    planned = json.loads(cronjob.replace(PLACEHOLDER, uid))
    space, name = planned["metadata"]["namespace"], planned["metadata"]["name"]
    path = f"/apis/batch/v1/namespaces/{space}/cronjobs/{name}"
    await planes.patiently(partial(api.apply, path, planned))
    path = crowd.path_of(made["metadata"], "/status")
    await planes.patiently(partial(api.merge, path, json.loads(status)))


async def loop(kubeconfig: Path, count: int) -> dict[str, float]:
    """Do it for all; return how long it took."""
    todo: Iterator[tuple[dict[str, Any], str, str]] = iter(bodies(count))

    async def work(api: ApiClient) -> None:
        for manifest, cronjob, status in todo:
            await one_source(api, manifest, cronjob, status)

    async with planes.client(kubeconfig) as api:
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(api) for _ in range(MAX_CONNECTIONS)))
        return {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - used,
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(loop(Path(sys.argv[1]), int(sys.argv[2])))))
