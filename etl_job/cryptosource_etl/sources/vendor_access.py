"""A vendor's base URL, the selected coins and the header with the key, as the spec gives them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptosource_crd.effective import api_key_header, api_key_variable, base_url
from cryptosource_crd.v1alpha1 import Selection
from cryptosource_etl.errors import Permanent
from cryptosource_etl.sources.plugin import SourceContext
from cryptosource_store.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorAccess:
    """What the requests to a source's vendor have in common."""

    base_url: str
    """With its version path, without a trailing slash."""
    selection: Selection
    """The coins to read."""
    auth_header: tuple[str, str] | None = field(repr=False)
    """Name and value of the header that carries the key; None: the plan takes no key."""


def access_of(context: SourceContext) -> VendorAccess:
    """Return the vendor access of the source of a context.

    Raises:
        Permanent: InvalidSpec, the spec's type is no vendor; KeyMissing, the plan needs a key.
    """
    # Checked here and not only by `validate`: the Secret may be empty when the pod starts.
    spec = context.source.spec
    settings, base = spec.vendor_settings, base_url(spec)
    if settings is None or base is None:
        raise Permanent(Reason.INVALID_SPEC, f"spec.type {spec.type} is no vendor's")
    header, auth = api_key_header(spec), None
    if header is not None:
        if not context.api_key:
            raise Permanent(
                Reason.KEY_MISSING,
                f"plan {settings.plan} needs an API key: set spec.apiKeySecretRef, or "
                f"{api_key_variable(spec)} on a laptop",
            )
        auth = header, context.api_key
    return VendorAccess(base_url=base, selection=settings.selection, auth_header=auth)
