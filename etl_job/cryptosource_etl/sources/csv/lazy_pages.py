"""Cuts of a file as pages, whose cursors are made when somebody asks for them."""

from __future__ import annotations

from datetime import datetime

from cryptosource_etl.http.validators import Validators
from cryptosource_etl.records import Cursor, Page
from cryptosource_etl.sources.csv.cursor import PROBE_BYTES, fingerprint
from cryptosource_etl.sources.csv.local_file import LocalFile
from cryptosource_etl.sources.csv.page_builder import Cut
from cryptosource_etl.sources.csv.remote_file import remote_cursor


def _estimate(file: LocalFile, cut: Cut, *, done: int) -> int:
    """Return how many records there will be, if the rest are like these."""
    end, count = cut.ends[-1], len(cut.records)
    if cut.is_last:
        return done + count
    return done + count + (file.size - end) * count // max(1, end - cut.start.offset)


def local_page(file: LocalFile, cut: Cut, *, contract: str, done: int) -> Page:
    """Return a page of a local file, after making sure that the file is still the same.

    Args:
        file: the file, open.
        cut: the records.
        contract: what the cursor is worth something under.
        done: records before these in this pass.

    Raises:
        Retryable: FileChanged.
    """
    end = cut.ends[-1]
    base = max(0, cut.start.offset - PROBE_BYTES)
    # Kept with the page: when its cursor is asked for, the file may be closed or another one.
    window = file.fetch(base, end - base)
    read_before = file.prefix.upto(cut.start.offset)
    file.check_unchanged(upto=end)
    state = file.state

    def cursor_after(count: int) -> Cursor:
        place = cut.place_after(count)
        tail = window[max(0, place.offset - PROBE_BYTES) - base : place.offset - base]
        reopen = cut.reopen if cut.reopen and place.offset > cut.reopen.offset else None
        prefix = read_before.copy()
        prefix.update(window[cut.start.offset - base : place.offset - base])
        cursor = state.cursor(
            place, tail=fingerprint(tail), prefix=prefix.hexdigest(), reopen=reopen
        )
        return {"contract": contract, **cursor}

    return Page(cut.records, cursor_after, file.written_at, total=_estimate(file, cut, done=done))


def remote_page(
    url: str,
    cut: Cut,
    *,
    contract: str,
    validators: Validators | None,
    received_at: datetime,
) -> Page:
    """Return a page of a file behind a URL.

    Args:
        url: where it is.
        cut: the records.
        contract: what the cursor is worth something under.
        validators: the version that is being read.
        received_at: when it was written, or else received.
    """

    def cursor_after(count: int) -> Cursor:
        complete = cut.is_last and count == len(cut.records)
        cursor = remote_cursor(
            url, validators=validators, place=cut.place_after(count), complete=complete
        )
        return {"contract": contract, **cursor}

    return Page(cut.records, cursor_after, received_at)
