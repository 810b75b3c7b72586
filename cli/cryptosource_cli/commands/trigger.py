"""`cryptosource trigger`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_cli.environment import Environment, open_database
from cryptosource_cli.schema_check import require_schema
from cryptosource_etl.clock import Clock, SystemClock
from cryptosource_store.embedded import EmbeddedPostgresError, running_postgres
from cryptosource_store.engine import session_engine
from cryptosource_store.run_requests import (
    PlacedRequest,
    RequestRefused,
    RunRequest,
    TooManyRequests,
    request_run,
)
from cryptosource_store.statements.run_requests import REQUEST

POLL_SECONDS = 0.5
MAX_WAIT_SECONDS = 86_400
OPEN = ("pending", "accepted", "running")
"""States of a request that is not done."""


@contextmanager
def _database(environment: Environment) -> Iterator[URL]:
    """Yield the URL of the database in use."""
    # An embedded one is not started here: without a running `up` the request would stay pending.
    if environment.database.url is None:
        try:
            yield running_postgres(environment.data_dir / "postgres")
        except EmbeddedPostgresError as error:
            raise CommandError(
                "no process is there to make the run: start `cryptosource up -f …` first, or set "
                "DATABASE_URL to the database of an operator",
                exit_code=UNAVAILABLE_EXIT_CODE,
            ) from error
        return
    with open_database(environment) as url:
        require_schema(url, embedded=False)
        yield url


def _parse_target(name: str | None, *, every: bool) -> RunRequest:
    if every == (name is not None):
        raise CommandError("name one source as NAMESPACE/NAME, or give --all")
    namespace, slash, source = (name or "").rpartition("/")
    if every:
        return RunRequest()
    if not source or (slash and not namespace) or "/" in namespace:
        raise CommandError(f"{name!r} is no source; write NAMESPACE/NAME, or NAME")
    return RunRequest(source=source, namespace=namespace or None)


def _request_run(url: URL, target: RunRequest, key: str | None) -> PlacedRequest:
    try:
        with session_engine(url, application="cryptosource-trigger").begin() as connection:
            return request_run(
                connection, target, caller="cli", key=key, requested_by=f"cli/{_user()}"
            )
    except RequestRefused as refused:
        raise refusal_error(refused) from refused
    except DBAPIError as error:
        first_line = str(error.orig).strip().partition("\n")[0]
        raise CommandError(
            f"the run could not be asked for: {first_line}", exit_code=UNAVAILABLE_EXIT_CODE
        ) from error


def refusal_error(refused: RequestRefused) -> CommandError:
    """Return the command's error for a refused request."""
    if isinstance(refused, TooManyRequests):
        message = f"{refused}; ask again in {refused.wait_seconds} s"
        return CommandError(message, exit_code=UNAVAILABLE_EXIT_CODE)
    return CommandError(str(refused))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


def _read_request(url: URL, request_id: str) -> dict[str, Any]:
    with session_engine(url, application="cryptosource-trigger").connect() as connection:
        request: dict[str, Any] = json.loads(
            connection.scalar(REQUEST, {"request_id": request_id}) or "{}"
        )
    return request


def _wait_until_done(url: URL, request_id: str, *, seconds: int, clock: Clock) -> dict[str, Any]:
    """Return the request once it is done, or as it is after so many seconds."""
    deadline = clock.monotonic() + seconds
    request = _read_request(url, request_id)
    while request["status"] in OPEN and clock.monotonic() < deadline:
        clock.sleep(POLL_SECONDS)
        request = _read_request(url, request_id)
    return request


def _lines(request: Mapping[str, Any]) -> Iterator[str]:
    name = f"{request['namespace']}/{request['source']}" if request["source"] else "every source"
    why = f" ({request['reason']})" if request["reason"] else ""
    yield f"{name}: {request['status']}{why}; request {request['request_id']}"
    for run in request["runs"]:
        reason = f" ({run['reason']}): {run['message']}" if run["reason"] else ""
        source = f"{run['namespace']}/{run['source']}"
        yield f"  {source}: {run['status'] or 'not begun'}{reason}"


@click.command("trigger", epilog="Example: cryptosource trigger default/coins-csv --wait 60")
@click.argument("name", metavar="[NAMESPACE/]NAME", required=False)
@click.option("--all", "every", is_flag=True, help="Every source that is not suspended.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(0, MAX_WAIT_SECONDS),
    default=0,
    help="Wait so many seconds for the runs to end.",
)
@click.option("--idempotency-key", "key", help="The same key asks once, for a day.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    key: str | None,
    output: str,
    *,
    every: bool,
    wait_seconds: int,
) -> None:
    """Ask for a run now. The operator, or `cryptosource up`, makes it.

    Exit code 0: asked for, and with --wait every run succeeded. 1: with --wait, they did not, or
    not in time. 78: it cannot be asked for. 75: not now; the same command may work later.
    """
    target = _parse_target(name, every=every)
    if key is not None and not (0 < len(key) <= 255 and key.isprintable()):  # noqa: PLR2004
        raise CommandError("--idempotency-key: write 1 to 255 printable characters")
    environment = Environment.read()
    with _database(environment) as url:
        placed = _request_run(url, target, key)
        request_id = str(placed.answer["request_id"])
        request = _wait_until_done(url, request_id, seconds=wait_seconds, clock=SystemClock())
    click.echo(json.dumps(request, indent=2) if output == "json" else "\n".join(_lines(request)))
    if wait_seconds and request["status"] != "succeeded":
        ctx.exit(1)
