"""Recorded answers in place of generated coins."""

from __future__ import annotations

from pathlib import Path

from hack.market.jsontext import Fragment, fragment_of, parse_exact


def load_recording(path: Path) -> dict[str, Fragment]:
    """Return a recorded JSON array of tickers by id, every digit as it is in the file.

    Raises:
        ValueError: when the file is not a JSON array of objects that each have an id.
    """
    records = parse_exact(path.read_bytes())
    if not isinstance(records, list):
        raise ValueError(f"{path} holds no JSON array of records")  # noqa: TRY004 - the file is wrong
    book: dict[str, Fragment] = {}
    for record in records:
        fragment = fragment_of(record)
        if not isinstance(fragment, dict) or not isinstance(record.get("id"), str):
            raise ValueError(  # noqa: TRY004 - the file is wrong, not the caller
                f"{path} holds a record without an id: {str(record)[:80]}"
            )
        book[record["id"]] = fragment
    return book
