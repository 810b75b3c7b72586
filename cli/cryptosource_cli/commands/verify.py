"""`cryptosource verify`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.text_tables import Cell, print_table
from cryptosource_cli.verification.api_client import (
    Deployment,
    InvalidAddress,
    NoAnswer,
    parse_address,
)
from cryptosource_cli.verification.checks import OK, Finding, Verdict, Verification

POLL_SECONDS = 2.0
_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


def _read_key(name: str | None) -> str | None:
    if name is None:
        return None
    value = os.environ.get(name, "").strip()
    if not value:
        raise CommandError(f"--api-key-env: the variable {name} is not set")
    # Nothing else can be sent in a header, and http.client's error would quote the key.
    if not value.isascii() or not value.isprintable():
        raise CommandError(f"--api-key-env: what {name} holds is no API key")
    return value


def _wait_until_ready(deployment: Deployment, seconds: float) -> None:
    """Wait until the deployment is ready, or the time is up; the checks then say why it is not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if deployment.get("/health/ready").status == OK:
                return
        except NoAnswer:
            pass
        time.sleep(POLL_SECONDS)


def _print(findings: Sequence[Finding]) -> None:
    rows = [
        (one.check, Cell(one.verdict, _COLOURS.get(one.verdict)), one.detail) for one in findings
    ]
    print_table(("CHECK", "RESULT", "DETAIL"), rows)
    counts = [f"{sum(one.verdict is verdict for one in findings)} {verdict}" for verdict in Verdict]
    click.echo(", ".join(counts))


@click.command(
    "verify", epilog="Example: cryptosource verify --url https://prices.example --api-key-env KEY"
)
@click.option("--url", required=True, help="Of the API, as its clients reach it.")
@click.option("--api-key-env", metavar="NAME", help="Variable that holds an API key.")
@click.option("--wait", default=0, type=click.IntRange(0, 3600), help="Seconds to become ready.")
@click.option(
    "--sources/--no-sources",
    default=True,
    help="Whether a source that is not well fails the whole, or is only reported.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.pass_context
def command(
    ctx: click.Context, *, url: str, api_key_env: str | None, wait: int, sources: bool, output: str
) -> None:
    """Check a deployment by its URL, as its operator would; exit 1 when something fails.

    Reachable, certificate, schema, database, each source's last run and freshness, tickers with
    one owner each, metrics, and every endpoint against its declared form. It only reads.
    """
    try:
        address = parse_address(url)
    except InvalidAddress as error:
        raise CommandError(f"--url: {error}") from error
    deployment = Deployment(address, _read_key(api_key_env))
    _wait_until_ready(deployment, wait)
    verification = Verification(deployment, now=datetime.now(UTC), judge_sources=sources)
    findings = list(verification.findings())
    if output == "json":
        report = [
            {"check": one.check, "result": one.verdict, "detail": one.detail} for one in findings
        ]
        click.echo(json.dumps(report, indent=2))
    else:
        _print(findings)
    if any(one.verdict is Verdict.FAILED for one in findings):
        ctx.exit(1)
