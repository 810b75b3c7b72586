"""CSV files, local or behind a URL, of any size, in flat memory.

`local_file` and `remote_file` supply bytes, `text_encoding` and `lines` cut them into lines, `rows`
parses lines into rows, `row_schema` turns rows into records and normalizes them, and `page_builder`
groups records into pages with cursors. `header` finds the delimiter and reads the column names,
`column_binding` maps the manifest's columns to them, `cursor` defines the resume position, and
`reader` is the source as a run sees it. Only `csv_settings` knows the resource's models.

Never here: how numbers, symbols and times are written, which every source needs and which is
beside this package; what is stored and when, which the pipeline decides.
"""

from __future__ import annotations

from cryptosource_etl.sources.csv.reader import open_csv
from cryptosource_etl.sources.plugin import SourcePlugin

PLUGIN = SourcePlugin(open=open_csv)
"""The type `CSV`."""

__all__ = ["PLUGIN"]
