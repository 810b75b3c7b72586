"""Several statements in one message to the server.

Each statement still takes its own snapshot when its turn comes and has its own timeout. A message
saves a round trip per statement, and the wait for Python's interpreter lock after it
(docs/adr/0009-prepared-ahead.md). The driver returns the result of the last statement.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

SEPARATOR = "\n;\n"
"""Separates the statements of a message."""


def batch(*statements: TextClause) -> TextClause:
    """Return one statement that executes all, with the result of the last one.

    A parameter that several statements name is bound once.
    """
    return text(SEPARATOR.join(statement.text.strip() for statement in statements))
