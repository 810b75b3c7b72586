"""What a source refers to, found for a run on this machine: its key and its file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptosource_cli.configuration_objects import ConfigurationObject
from cryptosource_cli.manifest_files import LoadedSource, Manifests
from cryptosource_crd.effective import api_key_header
from cryptosource_crd.explanations import Problem
from cryptosource_crd.plans import vendor_of
from cryptosource_crd.v1alpha1 import ConfigMapFile, SecretKeyRef

KEY_VARIABLES = {"CoinPaprika": "COINPAPRIKA_API_KEY", "CoinGecko": "COINGECKO_API_KEY"}
"""Where a vendor's key is looked for when no Secret holds it."""
VOLUMES_VARIABLE = "CRYPTOSOURCE_VOLUMES_DIR"
"""Folder with one folder per volume claim."""
CONFIG_MAPS_VARIABLE = "CRYPTOSOURCE_CONFIGMAPS_DIR"
"""Folder with one folder per mounted ConfigMap, for those that are not among the manifests."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a run of a source needs beside its spec."""

    api_key: str | None = field(default=None, repr=False)
    """The vendor's key; None where the plan has none, or with a problem."""
    csv_path: Path | None = None
    """The file to read; None for anything but a CSV file on disk, or with a problem."""
    problems: tuple[Problem, ...] = ()
    """Why the run cannot start; empty when it can."""


class _UnresolvedError(Exception):
    def __init__(self, path: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


def resolve(
    loaded: LoadedSource, manifests: Manifests, *, environ: Mapping[str, str], data_dir: Path
) -> Resolved:
    """Find the key and the file of a source.

    Args:
        loaded: the source; `csv.path` is relative to its manifest's folder.
        manifests: where its Secret and its ConfigMap are looked up.
        environ: environment variables, for keys and mounted volumes.
        data_dir: where the contents of ConfigMaps are written, in `configmaps/`.

    Returns:
        What was found, and a problem for what was not. Never raises for bad input.
    """
    try:
        return Resolved(
            api_key=_api_key(loaded, manifests, environ),
            csv_path=_csv_path(loaded, manifests, environ, data_dir),
        )
    except _UnresolvedError as error:
        problem = Problem(
            str(loaded.file), loaded.document, error.path, error.message, error.hint, loaded.line
        )
        return Resolved(problems=(problem,))


def _api_key(loaded: LoadedSource, manifests: Manifests, environ: Mapping[str, str]) -> str | None:
    spec = loaded.source.spec
    vendor = vendor_of(spec)
    if vendor is None or api_key_header(spec) is None:
        return None
    member = "coinGecko" if spec.coin_gecko is not None else "coinPaprika"
    path, variable = f"spec.{member}.apiKeySecretRef", KEY_VARIABLES[spec.type]
    reference = vendor.api_key_secret_ref
    secret = reference and manifests.secrets.get((loaded.key[0], reference.name))
    if reference is not None and secret:
        return _usable(_from_secret(secret, reference, path), path)
    if environ.get(variable):
        return _usable(environ[variable], variable)
    where = f"add the Secret {reference.name} to the files" if reference else f"set {path}"
    raise _UnresolvedError(
        path, f"the plan {vendor.plan} needs a key and there is none", f"{where} or set {variable}"
    )


def _from_secret(secret: ConfigurationObject, reference: SecretKeyRef, path: str) -> str:
    if reference.key not in secret.contents:
        keys = ", ".join(sorted(secret.contents)) or "none"
        raise _UnresolvedError(
            f"{path}.key",
            f"the Secret {reference.name} at {secret.where} has no key {reference.key}",
            f"its keys: {keys}",
        )
    return secret.contents[reference.key].decode("utf-8", errors="replace")


def _usable(key: str, where: str) -> str:
    """Return the key without the line end that `echo` leaves, if a header can carry it."""
    key = key.strip()
    if not key:
        raise _UnresolvedError(where, "the key is empty", "put the vendor's key there")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise _UnresolvedError(
            where, "the key holds characters no header can carry", "copy it again"
        )
    return key


def _csv_path(
    loaded: LoadedSource, manifests: Manifests, environ: Mapping[str, str], data_dir: Path
) -> Path | None:
    csv = loaded.source.spec.csv
    if csv is None or csv.url is not None:
        return None
    if csv.path is not None:
        return loaded.file.parent / csv.path
    if csv.config_map is not None:
        return _config_map_file(loaded.key[0], csv.config_map, manifests, environ, data_dir)
    if csv.volume_claim is not None and environ.get(VOLUMES_VARIABLE):
        return Path(environ[VOLUMES_VARIABLE], csv.volume_claim.name, csv.volume_claim.path)
    raise _UnresolvedError(
        "spec.csv.volumeClaim",
        "there is no such volume on this machine",
        f"set {VOLUMES_VARIABLE} to a folder with one folder per claim, or use path",
    )


def _config_map_file(
    namespace: str,
    reference: ConfigMapFile,
    manifests: Manifests,
    environ: Mapping[str, str],
    data_dir: Path,
) -> Path:
    config_map = manifests.config_maps.get((namespace, reference.name))
    if config_map is not None:
        return _written(config_map, reference.key, data_dir)
    if environ.get(CONFIG_MAPS_VARIABLE):
        return Path(environ[CONFIG_MAPS_VARIABLE], reference.name, reference.key)
    raise _UnresolvedError(
        "spec.csv.configMap.name",
        f"the ConfigMap {namespace}/{reference.name} is not among the files",
        "add the file that defines it with -f",
    )


def _written(config_map: ConfigurationObject, key: str, data_dir: Path) -> Path:
    content = config_map.contents.get(key)
    if content is None:
        keys = ", ".join(sorted(config_map.contents)) or "none"
        raise _UnresolvedError(
            "spec.csv.configMap.key",
            f"the ConfigMap {config_map.name} at {config_map.where} has no key {key}",
            f"its keys: {keys}",
        )
    file = data_dir / "configmaps" / config_map.namespace / config_map.name / key
    try:
        _write_if_changed(file, content)
    except OSError as error:
        raise _UnresolvedError(
            "spec.csv.configMap",
            f"{file} cannot be written: {error.strerror or error}",
            "choose another CRYPTOSOURCE_DATA_DIR",
        ) from None
    return file


def _write_if_changed(file: Path, content: bytes) -> None:
    # An unchanged file keeps its time, by which a run knows that there is nothing new in it.
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as stream:
        stream.write(content)
    try:
        Path(stream.name).replace(file)
    except OSError:
        Path(stream.name).unlink(missing_ok=True)
        raise
