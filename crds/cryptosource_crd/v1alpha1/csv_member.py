"""The member for CSV files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cryptosource_crd.v1alpha1.bounded_strings import DataKey, HttpUrl, ObjectName
from cryptosource_crd.v1alpha1.closed_model import ClosedModel
from cryptosource_crd.v1alpha1.columns import CsvColumns

FilePath = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f]+$")]
LOCATIONS = ("path", "url", "config_map", "volume_claim")


class ConfigMapFile(ClosedModel):
    """A file held in a ConfigMap of the source's own namespace (at most 1 MiB)."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: DataKey
    """Key within it, such as `coins.csv`."""


class VolumeClaimFile(ClosedModel):
    """A file on a PersistentVolumeClaim of the source's own namespace, mounted read-only."""

    name: ObjectName
    """Name of the claim."""
    path: FilePath
    """Path of the file within the volume, without `..`."""

    # The path is joined to the mount point: it must not lead out of the volume.
    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/"):
            raise ValueError("must be relative to the volume's root, without '..'")
        return value


class Csv(ClosedModel):
    """A CSV file: exactly one of path, url, configMap, volumeClaim says where it is."""

    path: FilePath | None = None
    """Path of a local file, relative to the manifest's folder. For `run` and `up` on one machine;
    in a cluster use configMap, volumeClaim or url."""
    url: HttpUrl | None = None
    """Address of a file, http or https, without credentials."""
    config_map: ConfigMapFile | None = None
    """A key of a ConfigMap."""
    volume_claim: VolumeClaimFile | None = None
    """A file on a persistent volume."""
    delimiter: str = Field(default="auto", min_length=1, max_length=4)
    r"""`auto` (the default: found from the first lines), one character such as `;`, or `\t`."""
    encoding: str = Field(default="auto", min_length=1, max_length=32)
    """`auto` (the default: byte order mark, else UTF-8, else Windows-1252) or a name such as
    `utf-8`, `latin-1`, `utf-16`."""
    decimal: Literal[".", ","] = "."
    """Decimal separator of numbers; the other one separates thousands. Default `.`."""
    columns: CsvColumns = CsvColumns()
    """Which column means what. Default: the names listed there."""

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if value == "auto":
            return value
        value = "\t" if value == r"\t" else value
        if len(value) != 1 or value in '"\r\n\0':
            raise ValueError(r"must be auto, one character, or \t; not a quote or a line end")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value == "auto":
            return value
        try:
            # `decode` refuses codecs that are no text encodings, such as rot13, hex and zip.
            b"text".decode(value)
        except UnicodeError:
            # A text encoding in which these four bytes are no text, such as utf-32.
            return value
        except (LookupError, ValueError):
            raise ValueError(f"no such text encoding: {value[:32]!r}") from None
        return value

    @model_validator(mode="after")
    def _one_location(self) -> Csv:
        if sum(getattr(self, name) is not None for name in LOCATIONS) != 1:
            raise ValueError("give exactly one of path, url, configMap, volumeClaim")
        return self
