"""The origin of a source's data: its type, with the member and the API key that belong to it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue, model_validator
from pydantic.alias_generators import to_snake

from cryptosource_crd.v1alpha1.bounded_strings import DataKey, ObjectName
from cryptosource_crd.v1alpha1.closed_model import ClosedModel, broken_rule
from cryptosource_crd.v1alpha1.csv_member import Csv
from cryptosource_crd.v1alpha1.vendors.coingecko import COINGECKO, CoinGecko
from cryptosource_crd.v1alpha1.vendors.coinpaprika import COINPAPRIKA, CoinPaprika
from cryptosource_crd.v1alpha1.vendors.vendor import Vendor, VendorSettings

VENDORS: tuple[Vendor, ...] = (COINPAPRIKA, COINGECKO)
"""Every vendor. `Origin` has a field for the member of each."""

CSV_TYPE, CSV_MEMBER = "CSV", "csv"

BUILT_IN_TYPES = {vendor.source_type: vendor.member for vendor in VENDORS} | {CSV_TYPE: CSV_MEMBER}
"""The types this project serves, each with the member that holds its settings."""

_VENDOR_OF_TYPE = {vendor.source_type: vendor for vendor in VENDORS}


class SecretKeyRef(ClosedModel):
    """One key of a Secret in the source's own namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: DataKey = "api-key"
    """Key within it. Default `api-key`."""


class Origin(ClosedModel):
    """The part of a spec that says where data comes from."""

    type: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[A-Z][A-Za-z0-9]*$",
        description=f"{', '.join(f'`{name}`' for name in BUILT_IN_TYPES)}, or the CamelCase name of"
        " an installed plugin. It names the one member that may be present.",
    )
    api_key_secret_ref: SecretKeyRef | None = None
    """Where the upstream's API key is: a Secret in the source's own namespace. For vendors' plans
    that have a key and for plugins; not for CSV. Default: no key."""
    coin_paprika: CoinPaprika | None = None
    """Settings of type CoinPaprika. Default: the Free plan, every coin."""
    coin_gecko: CoinGecko | None = None
    """Settings of type CoinGecko. Default: keyless, the top 1000."""
    csv: Csv | None = None
    """Settings of type CSV, required for it."""
    options: dict[str, JsonValue] | None = Field(default=None, max_length=100)
    """Settings of a plugin's type, checked by the plugin; at most 100. Not for built-in types."""

    @property
    def vendor(self) -> Vendor | None:
        """The vendor that the type names; None for CSV and plugins."""
        return _VENDOR_OF_TYPE.get(self.type)

    @property
    def vendor_settings(self) -> VendorSettings | None:
        """The vendor's member; None for CSV and plugins."""
        return None if self.vendor is None else self._member(self.vendor.member)

    def _member(self, name: str) -> Any:
        return getattr(self, to_snake(name))

    # A vendor's member may be left out of the manifest: every field of it has a default.
    @model_validator(mode="before")
    @classmethod
    def _vendor_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        vendor = _VENDOR_OF_TYPE.get(str(data.get("type")))
        if vendor is None or data.get(vendor.member) is not None:
            return data
        return {**data, vendor.member: {}}

    @model_validator(mode="after")
    def _type_is_not_a_built_in_respelled(self) -> Origin:
        # The lower-case type is the `source_type` of rows, the scope of external ids and part of
        # the API key's variable: a plugin `Coingecko` would share all three with CoinGecko.
        for built_in in BUILT_IN_TYPES:
            if self.type != built_in and self.type.lower() == built_in.lower():
                raise broken_rule(
                    f"differs from the built-in type {built_in} by case alone",
                    at="type",
                    hint=f"write {built_in}, or give the plugin another name",
                )
        return self

    @model_validator(mode="after")
    def _type_names_the_member(self) -> Origin:
        mine = BUILT_IN_TYPES.get(self.type)
        for member in BUILT_IN_TYPES.values():
            if self._member(member) is not None and member != mine:
                raise broken_rule(
                    f"does not belong to type {self.type}",
                    at=member,
                    hint=f"use {mine}, or another type" if mine else "use options for a plugin",
                )
        if mine == CSV_MEMBER and self.csv is None:
            raise broken_rule(
                "is missing for type CSV",
                at="csv",
                hint="say where the file is: path, url, configMap or volumeClaim",
            )
        if mine is not None and self.options is not None:
            raise broken_rule(
                f"is for plugins and not for type {self.type}", at="options", hint=f"use {mine}"
            )
        return self

    @model_validator(mode="after")
    def _files_need_no_key(self) -> Origin:
        if self.type == CSV_TYPE and self.api_key_secret_ref is not None:
            raise broken_rule(
                "is not for type CSV, which sends no key",
                at="apiKeySecretRef",
                hint="put a file that needs one into a ConfigMap or on a volume",
            )
        return self
