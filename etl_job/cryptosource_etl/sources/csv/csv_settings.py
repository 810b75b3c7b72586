"""The manifest's settings of a CSV file, as frozen dataclasses of this package.

The only module of the package that knows the resource's models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cryptosource_crd.v1alpha1 import CsvColumns
from cryptosource_etl.records import digest_of
from cryptosource_store.quote_fields import UPSTREAM_FIELDS

if TYPE_CHECKING:
    from cryptosource_crd.v1alpha1 import CryptoSource


@dataclass(frozen=True, kw_only=True)
class ColumnSettings:
    """The origin of one field: a column or a constant."""

    column: str | None = None
    """Header of the column; None for a constant."""
    constant: str | None = None
    """The same text for every row."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Cell text -> the text to read instead; an empty text is unknown."""
    explicit: bool = True
    """The manifest names the column, so that its absence is an error; False for a default."""
    format: str = "auto"
    """Format of a time."""
    time_zone: str = "Etc/UTC"
    """Zone of a time that carries none."""


@dataclass(frozen=True, kw_only=True)
class CsvSettings:
    """The settings with which one CSV file is read."""

    path: Path | None = None
    """A local file; None for a URL."""
    label: str = ""
    """The path as the manifest gives it, for messages."""
    url: str | None = None
    """URL of the file; None for a local one."""
    delimiter: str = "auto"
    """One character, or `auto`."""
    encoding: str = "auto"
    """A codec's name, or `auto`."""
    decimal: Literal[".", ","] = "."
    """Decimal separator of numbers."""
    columns: Mapping[str, ColumnSettings] = field(default_factory=dict)
    """Field of a quote -> its origin."""
    batch_size: int = 1000
    """Largest number of records of a page."""

    def fingerprint(self) -> str:
        """Return a digest of the settings that decide how rows are read.

        A cursor made under another digest is not used.
        """
        # `path` and `batch_size` are left out: they do not change what a row means.
        columns = {
            name: [getattr(column, part.name) for part in fields(column) if part.name != "values"]
            + [sorted(column.values.items())]
            for name, column in sorted(self.columns.items())
        }
        parts = (self.delimiter, self.encoding, self.decimal, columns)
        return digest_of(repr(parts).encode("utf-8", "backslashreplace"))[:16]


def _column(model: Any, *, explicit: bool) -> ColumnSettings:
    return ColumnSettings(
        column=model.column,
        constant=model.value,
        values=dict(model.values),
        explicit=explicit,
        format=getattr(model, "format", "auto"),
        time_zone=getattr(model, "time_zone", "Etc/UTC"),
    )


def _columns(model: Any) -> dict[str, ColumnSettings]:
    return {
        name: _column(column, explicit=name in model.explicit)
        for name in UPSTREAM_FIELDS
        if (column := getattr(model, name)) is not None
    }


def manifest_name(field: str) -> str:
    """Return how a manifest spells a field of a quote."""
    return CsvColumns.model_fields[field].alias or field


def settings_of(source: CryptoSource, *, csv_path: Path | None) -> CsvSettings:
    """Return the settings of a source of type CSV.

    Args:
        source: the validated resource.
        csv_path: the file that `path`, a ConfigMap or a volume claim resolves to.
    """
    spec = source.spec.csv
    if spec is None:
        raise TypeError("a source of type CSV has a member csv")
    return CsvSettings(
        path=csv_path if spec.url is None else None,
        label=_label_of(spec, csv_path),
        url=spec.url,
        delimiter=spec.delimiter,
        encoding=spec.encoding,
        decimal=spec.decimal,
        columns=_columns(spec.columns),
        batch_size=source.spec.batch_size,
    )


def _label_of(spec: Any, csv_path: Path | None) -> str:
    if spec.config_map is not None:
        return f"{spec.config_map.key} of ConfigMap {spec.config_map.name}"
    if spec.volume_claim is not None:
        return f"{spec.volume_claim.path} on volume claim {spec.volume_claim.name}"
    return spec.path or str(csv_path)
