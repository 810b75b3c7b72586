"""COPY inside a SQLAlchemy transaction: the one bulk write, because nothing else is as cheap."""

from __future__ import annotations

import io

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cryptosource_telemetry.sql_spans import statement_span


def copy_into(connection: Connection, statement: str, buffer: bytes) -> None:
    """COPY by the driver, with its errors in SQLAlchemy's tree like those of all the rest.

    Args:
        connection: in a transaction.
        statement: `COPY … FROM STDIN`.
        buffer: as `copy_buffer` returns it.
    """
    cursor = connection.connection.cursor()
    try:
        with statement_span(statement):
            # In one piece: for each piece the driver waits for the interpreter's lock, behind the
            # thread that prepares the next page.
            cursor.copy_expert(statement, io.BytesIO(buffer), size=len(buffer) + 1)
    except psycopg2.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error
    finally:
        cursor.close()
