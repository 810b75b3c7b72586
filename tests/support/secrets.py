"""Looks for a canary, a made-up key, wherever a run may have left it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from support.oracle import rows, value

_TABLES = """
  SELECT table_name FROM information_schema.tables
   WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"""


def tables_that_mention(url: URL, text: str) -> list[str]:
    """Return the tables with a row that holds the text in any of its columns."""
    mentions = 'SELECT count(*) FROM "{}" t WHERE strpos(t::text, :text) > 0'
    tables = [name for (name,) in rows(url, _TABLES)]
    return [name for name in tables if value(url, mentions.format(name), text=text)]


def files_that_mention(folder: Path, text: str) -> list[Path]:
    """Return the files below a folder that hold the text."""
    needle = text.encode()
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]
