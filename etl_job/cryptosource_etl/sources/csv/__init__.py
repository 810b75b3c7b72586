"""CSV files, local or behind a URL, of any size, in flat memory.

The way of a row: `lines` cuts bytes, `rows` parses them, `layout` makes records and judges them,
`paging` and `pages` group them with cursors; `files` and `remote` are where bytes come from,
`header` and `binding` what the first line and the manifest make of each other. Only `settings`
knows the resource's models. How numbers, symbols and times are written belongs beside this
package, since every source needs it; what is stored, and when, belongs to the pipeline.
"""

from __future__ import annotations

from cryptosource_etl.sources.csv.reader import open_csv
from cryptosource_etl.sources.plugin import SourcePlugin

PLUGIN = SourcePlugin(open=open_csv)
"""The type `CSV`."""

__all__ = ["PLUGIN"]
