"""Build runs from resources: resolve key and file, and connect network and database."""

from __future__ import annotations

import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.trace import Link
from sqlalchemy import URL

from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment
from cryptosource_cli.manifest_files import LoadedSource, Manifests
from cryptosource_cli.references import resolve
from cryptosource_crd.effective import effective_rate_limit
from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_etl.clock import Clock, SystemClock
from cryptosource_etl.errors import Permanent
from cryptosource_etl.http import (
    CircuitBreaker,
    EgressPolicy,
    HttpClient,
    HttpLimits,
    RetryPolicy,
    parse_cidrs,
)
from cryptosource_etl.pipeline.load.load_run import LOAD
from cryptosource_etl.pipeline.postgres_bucket import PostgresBucket
from cryptosource_etl.pipeline.run.claim import SourceIdentity
from cryptosource_etl.pipeline.run.lifecycle import Run
from cryptosource_etl.pipeline.run.plan import Progress, RunKind, RunPlan
from cryptosource_etl.settings import RunSettings
from cryptosource_etl.sources.plugin import SourceContext, SourceReader
from cryptosource_etl.sources.registry import open_source
from cryptosource_store.engine import loading_engine, session_engine
from cryptosource_telemetry.exporter import export_wanted
from cryptosource_telemetry.sql_spans import trace_statements

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cryptosource.io/sources")
EGRESS_VARIABLE = "CRYPTOSOURCE_EGRESS_ALLOW"
# A replay opens the reader for its rules but never calls the vendor, so it must not fail for a key
# that is not on this machine.
NO_KEY_NEEDED = "no-key-needed-for-a-replay"
"""Stands in for a vendor's key in a replay."""
CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def identity_of(source: CryptoSource) -> SourceIdentity:
    """Return the identity of a resource in the store."""
    meta, spec = source.metadata, source.spec
    source_type = spec.type.lower()
    # A vendor's ids mean the same in every source; a file's have a meaning in that source alone.
    scope = f"csv/{meta.namespace}/{meta.name}" if spec.csv is not None else source_type
    return SourceIdentity(
        uid=source_uid(source),
        namespace=meta.namespace,
        name=meta.name,
        source_type=source_type,
        id_scope=scope,
        shares_ids=spec.csv is None,
        schedule=spec.schedule,
        time_zone=spec.time_zone,
        suspended=spec.suspend,
        max_age_seconds=spec.freshness.max_age_seconds,
    )


def _load_authorities(variables: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return a context with the machine's certificate authorities; None: the client's own."""
    # The client brings a bundle of its own. Behind a proxy that inspects TLS only the machine's
    # authorities are of use; curl and pip take them from the same variables.
    if any(variables.get(name) for name in CA_VARIABLES):
        return ssl.create_default_context()
    return None


@dataclass(frozen=True, kw_only=True)
class RunFactory:
    """Builds the runs of a process, and holds what they share."""

    url: URL
    """The database."""
    manifests: Manifests
    variables: Mapping[str, str]
    """Environment variables, for keys and settings."""
    data_dir: Path
    clock: Clock
    stop: threading.Event
    """Set when the process is to end."""
    egress: EgressPolicy
    # Shared, so that the failures of all runs of a process count together for an upstream.
    breaker: CircuitBreaker

    @classmethod
    def open(
        cls, environment: Environment, manifests: Manifests, url: URL, *, stop: threading.Event
    ) -> RunFactory:
        """Return a factory for the given environment and manifests.

        Raises:
            CommandError: CRYPTOSOURCE_EGRESS_ALLOW is no list of networks.
        """
        try:
            allowed = parse_cidrs(environment.variables.get(EGRESS_VARIABLE, ""))
        except ValueError as error:
            raise CommandError(f"{EGRESS_VARIABLE}: {error}") from error
        clock = SystemClock(stop)
        return cls(
            url=url,
            manifests=manifests,
            variables=environment.variables,
            data_dir=environment.data_dir,
            clock=clock,
            stop=stop,
            egress=EgressPolicy(allow=allowed),
            breaker=CircuitBreaker(clock=clock),
        )

    def client(self, source: CryptoSource) -> HttpClient:
        """Return a network client with the rate limit of the source's plan."""
        spec = source.spec
        rate = effective_rate_limit(spec)
        # In Postgres, because runs that share a key are processes of their own in a cluster.
        bucket = PostgresBucket(
            session_engine(self.url, application="cryptosource-etl-rate-limit"),
            requests_per_minute=rate.requests_per_minute,
            burst=rate.burst,
            max_wait_seconds=spec.retry.max_delay_seconds,
            clock=self.clock,
        )
        return HttpClient(
            settings=HttpLimits(),
            retry=RetryPolicy(
                max_attempts=spec.retry.max_attempts,
                max_delay_seconds=spec.retry.max_delay_seconds,
            ),
            limiter=bucket,
            egress=self.egress,
            clock=self.clock,
            breaker=self.breaker,
            user_agent=f"cryptosource/{version('cryptosource')}",
            ssl_context=_load_authorities(self.variables),
        )

    def run(
        self,
        loaded: LoadedSource,
        settings: RunSettings,
        *,
        kind: RunKind = LOAD,
        parent: Context | None = None,
        links: tuple[Link, ...] = (),
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Run:
        """Return a run of a source, ready to be executed.

        Args:
            loaded: the source.
            settings: the run's job name, trigger and limits.
            kind: load from the upstream, or replay what is stored.
            parent: the trace it belongs to.
            links: other spans that its span refers to.
            on_progress: called after each committed page.
        """
        source = loaded.source
        client = self.client(source)
        identity = identity_of(source)

        # Called after the claim, so that a missing key or file fails a run that has a row, and is
        # not only a line in a pod's log.
        def open_reader() -> SourceReader:
            resolved = resolve(
                loaded, self.manifests, environ=self.variables, data_dir=self.data_dir
            )
            if resolved.problems and kind.reads_upstream:
                raise Permanent(resolved.reason, str(resolved.problems[0]))
            context = SourceContext(
                source=source,
                http=client,
                clock=self.clock,
                api_key=resolved.api_key or (None if kind.reads_upstream else NO_KEY_NEEDED),
                csv_path=resolved.csv_path,
            )
            return open_source(context)

        plan = RunPlan(
            kind=kind,
            source=identity,
            open_reader=open_reader,
            usage=lambda: client.usage,
            reject_limit_percent=source.spec.reject_limit_percent,
            pins=dict(source.spec.identity.pins),
            settings=settings,
            # The deadline is for the upstream's answers; a replay reads all that is stored, however
            # long that takes.
            deadline_seconds=source.spec.active_deadline_seconds if kind.reads_upstream else None,
            parent=parent,
            links=links,
            on_progress=on_progress,
            release=client.close,
        )
        engine = loading_engine(self.url)
        if export_wanted(self.variables):
            trace_statements(engine)
        return Run(plan, engine=engine, clock=self.clock, stop=self.stop)


def source_uid(source: CryptoSource) -> str:
    """Return the id under which a source's runs and checkpoint are stored.

    Returns:
        `metadata.uid` if the API server set one; else a UUID derived from namespace and name.
    """
    # Derived and not random: a run without a cluster has to find its source's checkpoint again.
    meta = source.metadata
    return meta.uid or str(uuid.uuid5(_NAMESPACE, f"{meta.namespace}/{meta.name}"))
