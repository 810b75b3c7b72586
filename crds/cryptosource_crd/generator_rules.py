"""CEL rules of the CRD: what a schema cannot express, each with its message.

Ranges of cron fields, time zones, encodings and time formats are beyond CEL; the operator reports
those as conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptosource_crd.cron import MACROS
from cryptosource_crd.v1alpha1.csv_member import Csv
from cryptosource_crd.v1alpha1.origin import BUILT_IN_TYPES, CSV_TYPE, VENDORS

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One `x-kubernetes-validations` entry."""

    rule: str
    message: str
    field: str = ""
    """Path of the field at fault below the object, such as `.csv`; empty: the object itself."""

    def render(self) -> dict[str, str]:
        """Return the entry as the CRD holds it."""
        entry = {"rule": self.rule, "message": self.message}
        return entry | ({"fieldPath": self.field} if self.field else {})


def _cel_list(words: Iterable[str]) -> str:
    return str(list(words))


def _exactly_one(names: list[str]) -> Rule:
    present = ", ".join(f"has(self.{name})" for name in names)
    rule = f"[{present}].filter(given, given).size() == 1"
    return Rule(rule, f"give exactly one of {', '.join(names)}")


def _belongs(kind: str, member: str) -> Rule:
    return Rule(
        f"!has(self.{member}) || self.type == '{kind}'",
        f"{member} belongs to type {kind} alone; spec.type names the one member that may be here",
        f".{member}",
    )


def _respelled(built_in: str) -> Rule:
    return Rule(
        f"self.type == '{built_in}' || self.type.lowerAscii() != '{built_in.lower()}'",
        f"type differs from the built-in type {built_in} by case alone: write {built_in}, or give "
        "the plugin another name",
        ".type",
    )


_BUILT_IN = _cel_list(BUILT_IN_TYPES)
_LOCATIONS = [Csv.model_fields[name].alias or name for name in ("path", "url")]
_LOCATIONS += ["configMap", "volumeClaim"]

# RE2 has no look-around, so this is another spelling of the pattern in `cryptosource_crd.urls`; a test
# holds the two together.
_CREDENTIAL = (
    r"(?i)[?&](([^=&]*[-_.])?(api[-_]?key|key|token|secret|password|passwd|pwd|auth|authorization"
    r"|signature|sig|credential|access[-_]?key)|[^=&]*(api[-_]?key|apikey)[^=&]*)(=|&|$)"
)

IS_URL = Rule("isURL(self)", "must be an absolute http:// or https:// URL with a host")
NO_KEY = Rule(
    f"!self.matches(r'{_CREDENTIAL}')",
    "must not hold a key: a parameter looks like a credential",
)
NO_QUERY = Rule(
    "!self.contains('?')",
    "must not hold a query (?…): paths and parameters are appended to it",
)

CRON_MACROS = "|".join(name.removeprefix("@") for name in MACROS)

RULES: Mapping[Path, tuple[Rule, ...]] = {
    (): (
        Rule(
            "size(self.metadata.name) <= 46",
            "metadata.name must have at most 46 characters, so that the names of its Jobs fit",
        ),
        Rule(
            "!self.metadata.name.contains('.')",
            "metadata.name must not hold a dot: use lower-case letters, digits and '-'",
        ),
    ),
    ("spec",): (
        *(_respelled(kind) for kind in BUILT_IN_TYPES),
        *(_belongs(kind, member) for kind, member in BUILT_IN_TYPES.items()),
        Rule(
            "self.type != 'CSV' || has(self.csv)",
            "csv is missing for type CSV: say where the file is, with path, url, configMap or "
            "volumeClaim",
        ),
        Rule(
            f"!has(self.options) || !(self.type in {_BUILT_IN})",
            f"options is for plugins and not for {', '.join(BUILT_IN_TYPES)}",
            ".options",
        ),
        Rule(
            f"!has(self.apiKeySecretRef) || self.type != '{CSV_TYPE}'",
            "apiKeySecretRef is not for type CSV, which sends no key: put a file that needs one "
            "into a ConfigMap or on a volume",
            ".apiKeySecretRef",
        ),
    ),
    ("spec", "schedule"): (
        Rule(
            "!self.contains('TZ=')",
            "must not hold TZ= or CRON_TZ=: use timeZone for the zone",
        ),
        # A schedule with TZ= breaks the rule above, whose message is the one to read.
        Rule(
            rf"self.matches(r'^(@({CRON_MACROS})|[0-9A-Za-z*?,/-]+(\s+[0-9A-Za-z*?,/-]+){{4}})$')"
            " || self.contains('TZ=')",
            "must have five fields (minute, hour, day of month, month, day of week) or be one of "
            f"{', '.join(MACROS)}; seconds are not supported",
        ),
    ),
    ("spec", "timeZone"): (
        Rule(
            "self.lowerAscii() != 'local'",
            "must be an IANA zone such as Europe/Berlin: Local depends on the machine",
        ),
        Rule(
            "self.matches(r'^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$')",
            "must be an IANA zone such as Etc/UTC or Europe/Berlin",
        ),
    ),
    ("spec", "csv"): (_exactly_one(_LOCATIONS),),
    ("spec", "csv", "url"): (IS_URL, NO_KEY),
    ("spec", "csv", "delimiter"): (
        Rule(
            r"""self in ['auto', '\\t'] || (size(self) == 1 && !(self in ['"', '\r', '\n']))""",
            r"must be auto, one character, or \t; not a quote or a line end",
        ),
    ),
    ("spec", "csv", "volumeClaim", "path"): (
        Rule(
            r"!self.startsWith('/') && !self.matches(r'(^|/)\.\.(/|$)')",
            "must be relative to the volume's root, without '..'",
        ),
    ),
    # A structural schema has no place for the bounds of a map's keys.
    ("spec", "identity", "pins"): (
        Rule(
            "self.all(id, size(id) >= 1 && size(id) <= 256)",
            "an external id must have 1 to 256 characters",
        ),
    ),
    **{("spec", vendor.member, "baseUrl"): (IS_URL, NO_KEY, NO_QUERY) for vendor in VENDORS},
    **{
        ("spec", vendor.member, "selection"): (_exactly_one(["top", "ids", "all"]),)
        for vendor in VENDORS
    },
}
"""Path of a schema below the resource -> its rules."""
