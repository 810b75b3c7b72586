"""Validate manifests without running them: problems, cost of the schedule, warnings and notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from cryptosource_cli.manifest_files import LoadedSource, Manifests, load_manifests
from cryptosource_crd import quota
from cryptosource_crd.effective import api_key_header, api_key_variable
from cryptosource_crd.explanations import Problem, closest
from cryptosource_crd.schedule import shortest_interval_minutes
from cryptosource_crd.v1alpha1 import BUILT_IN_TYPES, CryptoSourceSpec


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """The result of validating one source that has no problem."""

    namespace: str
    name: str
    type: str
    line: int
    cost: quota.ScheduleCost
    cost_line: str
    """The cost as one line of text."""
    warnings: tuple[str, ...]
    """Faults that do not make the manifest invalid but will make runs fail or data stale."""
    notes: tuple[str, ...]
    """Facts that are no faults, such as a Secret that is not among the files."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of validating one file."""

    file: str
    problems: tuple[Problem, ...]
    sources: tuple[SourceReport, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the file has no problem; warnings do not count."""
        return not self.problems


def validate_files(paths: Iterable[str | Path]) -> list[Report]:
    """Validate every manifest of the given files and folders.

    Args:
        paths: as for `load_manifests`.

    Returns:
        One report per file, in the order read; also for a path that could not be read.
    """
    manifests = load_manifests(list(paths))
    names = [str(file) for file in manifests.files]
    # A path that cannot be read is not among the files, and is reported by its problem.
    names += [problem.file for problem in manifests.problems]
    return [_file_report(name, manifests) for name in dict.fromkeys(names)]


def _file_report(file: str, manifests: Manifests) -> Report:
    prefix = f"{file}:"
    return Report(
        file=file,
        problems=tuple(problem for problem in manifests.problems if problem.file == file),
        sources=tuple(
            _source_report(loaded, manifests)
            for loaded in manifests.sources
            if str(loaded.file) == file
        ),
        notes=tuple(note for note in manifests.notes if note.startswith(prefix)),
    )


def _source_report(loaded: LoadedSource, manifests: Manifests) -> SourceReport:
    source, spec = loaded.source, loaded.source.spec
    warning_checks = (_plugin_missing, _key_missing, _key_unused, _stale_between_runs)
    note_checks = (_path_is_local, partial(_missing_references, loaded, manifests))
    return SourceReport(
        namespace=source.metadata.namespace,
        name=source.metadata.name,
        type=spec.type,
        line=loaded.line,
        cost=quota.cost(source),
        cost_line=quota.describe(source),
        warnings=(
            *quota.warnings(source),
            *(text for check in warning_checks for text in check(spec)),
        ),
        notes=tuple(text for check in note_checks for text in check(spec)),
    )


def _plugin_missing(spec: CryptoSourceSpec) -> list[str]:
    # A warning and no problem: the cluster's ETL image may have plugins that this machine has not.
    installed = {point.name for point in entry_points(group="cryptosource.sources")}
    known = sorted(installed | set(BUILT_IN_TYPES))
    if spec.type in known:
        return []
    near = closest(spec.type, known)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
    return [f"spec.type: no installed plugin serves {spec.type}; {hint}"]


def _key_missing(spec: CryptoSourceSpec) -> list[str]:
    settings = spec.vendor_settings
    if settings is None or api_key_header(spec) is None or spec.api_key_secret_ref is not None:
        return []
    plan, variable = f"{spec.type} {settings.plan}", api_key_variable(spec)
    return [f"{plan} needs a key: add apiKeySecretRef (run and up take {variable})"]


def _key_unused(spec: CryptoSourceSpec) -> list[str]:
    settings = spec.vendor_settings
    if settings is None or spec.api_key_secret_ref is None or api_key_header(spec) is not None:
        return []
    return [f"{spec.type} {settings.plan} has no key: apiKeySecretRef is not used; name your plan"]


def _stale_between_runs(spec: CryptoSourceSpec) -> list[str]:
    interval, limit = shortest_interval_minutes(spec.schedule) * 60, spec.freshness.max_age_seconds
    if interval < limit:
        return []
    freshness = f"freshness.maxAgeSeconds {limit}"
    return [f"runs are {interval} s apart or more: with {freshness} data is stale before each"]


def _path_is_local(spec: CryptoSourceSpec) -> list[str]:
    if spec.csv is None or spec.csv.path is None:
        return []
    return ["csv.path is for run and up; in a cluster use configMap, volumeClaim or url"]


def _missing_references(
    loaded: LoadedSource, manifests: Manifests, spec: CryptoSourceSpec
) -> list[str]:
    # Notes only: a Secret belongs in the cluster, and rarely in a file beside the source.
    namespace, notes = loaded.key[0], []
    secret = spec.api_key_secret_ref
    if secret and (namespace, secret.name) not in manifests.secrets:
        notes.append(f"the Secret {namespace}/{secret.name} is not among the files")
    config_map = spec.csv and spec.csv.config_map
    if config_map and (namespace, config_map.name) not in manifests.config_maps:
        notes.append(f"the ConfigMap {namespace}/{config_map.name} is not among the files")
    return notes
