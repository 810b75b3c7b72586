"""Statements that go to the server in one message.

Each still sees what was committed before it began, in its own turn, and keeps its own timeout; what
is saved is a round trip each, and the wait for the interpreter that ends it. The driver returns the
result of the last one.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

SEPARATOR = "\n;\n"
"""Between two statements of one message."""


def batch(*statements: TextClause) -> TextClause:
    """Return the statements as one, whose result is that of the last.

    A parameter that several of them name is one parameter.
    """
    return text(SEPARATOR.join(statement.text.strip() for statement in statements))
