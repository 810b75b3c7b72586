"""The environment of the command, parsed once and passed down, and the database it names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError
from cryptosource_store.embedded import EmbeddedPostgresError, embedded_postgres
from cryptosource_store.engine import session_engine
from cryptosource_store.settings import DatabaseSettings, InvalidDatabaseURL


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The process's environment, parsed."""

    variables: Mapping[str, str] = field(repr=False)
    """All variables; they hold secrets, so the repr does not show them."""
    database: DatabaseSettings
    data_dir: Path
    """Folder of the embedded Postgres and of the logs of `up`."""
    log_level: str

    @classmethod
    def read(cls) -> Environment:
        """Parse the process's environment.

        Raises:
            CommandError: a variable is invalid.
        """
        variables = dict(os.environ)
        try:
            database = DatabaseSettings.from_environ(variables)
        except InvalidDatabaseURL as error:
            raise CommandError(str(error)) from error
        return cls(
            variables=variables,
            database=database,
            data_dir=database.data_dir or _default_data_dir(),
            log_level=variables.get("LOG_LEVEL", "INFO"),
        )


def _default_data_dir() -> Path:
    try:
        import platformdirs  # noqa: PLC0415 - part of the extra `local`
    except ImportError:
        return Path.home() / ".local" / "share" / "cryptosource"
    return Path(platformdirs.user_data_dir("cryptosource", appauthor=False))


@contextmanager
def open_database(environment: Environment) -> Iterator[URL]:
    """Yield the URL of the configured database, or of the embedded one, which is started.

    Raises:
        CommandError: the database cannot be reached or started.
    """
    if environment.database.url is not None:
        _check_connection(environment.database.url)
        yield environment.database.url
        return
    try:
        with embedded_postgres(environment.data_dir / "postgres") as url:
            yield url
    except EmbeddedPostgresError as error:
        raise CommandError(str(error), exit_code=UNAVAILABLE_EXIT_CODE) from error


def _check_connection(url: URL) -> None:
    try:
        session_engine(url, application="cryptosource").connect().close()
    except OperationalError as error:
        first_line = str(error.orig).strip().partition("\n")[0]
        raise CommandError(
            f"cannot connect to {url.host or 'the database'}: {first_line}; check DATABASE_URL, or "
            "unset it to use the embedded Postgres",
            exit_code=UNAVAILABLE_EXIT_CODE,
        ) from error
