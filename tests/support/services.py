"""What runs in the cluster, as one reaches it from outside of any: through the API server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from hack.cluster import building

from support.kube import Kube

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class HttpService:
    """A Service that speaks HTTP."""

    kube: Kube
    namespace: str
    name: str
    port: int

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to a pod behind the Service and return what it answered.

        Args:
            method: of HTTP.
            path: with a query, from the slash on.
            options: of httpx.
        """
        where = f"/api/v1/namespaces/{self.namespace}/services/http:{self.name}:{self.port}/proxy"
        return self.kube.http.request(method, where + path, **options)

    def get(self, path: str) -> Any:
        """Return the JSON of an answer that must be 200, with exact numbers."""
        answer = self.send("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return json.loads(answer.text, parse_float=Decimal)


@dataclass(frozen=True, kw_only=True)
class PodDatabase:
    """The development Postgres of a release, asked by psql in its own pod."""

    kubeconfig: Path
    namespace: str
    pod: str

    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query, with exact numbers; times are ISO texts."""
        wrapped = f"SELECT coalesce(json_agg(found), '[]') FROM ({query}) found"
        found: list[Row] = json.loads(self.execute(wrapped), parse_float=Decimal)
        return found

    def value(self, query: str) -> Any:
        """Return the one value of a query."""
        ((value,),) = (row.values() for row in self.rows(query))
        return value

    def execute(self, statement: str) -> str:
        """Run statements and return what psql printed.

        Raises:
            AssertionError: psql failed, or its pod is not there.
        """
        psql = (
            'PGPASSWORD=$POSTGRES_PASSWORD exec psql --host=127.0.0.1 --username="$POSTGRES_USER" '
            '--dbname="$POSTGRES_DB" --no-psqlrc --quiet --tuples-only --no-align '
            "--set=ON_ERROR_STOP=1"
        )
        done = kubectl(
            self.kubeconfig,
            *("--namespace", self.namespace, "exec", "--stdin", self.pod, "--"),
            *("sh", "-c", psql),
            stdin=statement,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def empty(self) -> None:
        """Take every row out of every table, and leave the schema."""
        tables = self.rows(
            "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND c.relname <> 'alembic_version'"
        )
        if tables:
            self.execute(f"TRUNCATE {', '.join(row['name'] for row in tables)}")


def kubectl(
    kubeconfig: Path, *arguments: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run kubectl; whether it failed is for the caller to judge."""
    return subprocess.run(
        [building.kubectl(), f"--kubeconfig={kubeconfig}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
