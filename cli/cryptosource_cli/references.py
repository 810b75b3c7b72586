"""Resolve what a source refers to, for a run on this machine: its API key and its CSV file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptosource_cli.configuration_objects import ConfigurationObject
from cryptosource_cli.manifest_files import LoadedSource, Manifests
from cryptosource_crd.effective import api_key_header, api_key_variable
from cryptosource_crd.explanations import Problem
from cryptosource_crd.v1alpha1 import ConfigMapFile, CryptoSourceSpec, SecretKeyRef
from cryptosource_store.reasons import Reason

KEY_PATH = "spec.apiKeySecretRef"
VOLUMES_VARIABLE = "CRYPTOSOURCE_VOLUMES_DIR"
"""Folder with one folder per volume claim."""
CONFIG_MAPS_VARIABLE = "CRYPTOSOURCE_CONFIGMAPS_DIR"
"""Folder with one folder per mounted ConfigMap, for those that are not among the manifests."""


@dataclass(frozen=True, kw_only=True)
class ResolvedReferences:
    """The key and the file of a source, or why they were not found."""

    api_key: str | None = field(default=None, repr=False)
    """The upstream's key; None if it takes or has none, or if there is a problem."""
    csv_path: Path | None = None
    """The file to read; None for anything but a CSV file on disk, or if there is a problem."""
    problems: tuple[Problem, ...] = ()
    """Why the run cannot start; empty when it can."""
    reason: Reason = Reason.INVALID_SPEC
    """The reason of the problems; has no meaning without any."""


class _UnresolvedError(Exception):
    def __init__(
        self, path: str, message: str, hint: str, *, reason: Reason = Reason.INVALID_SPEC
    ) -> None:
        super().__init__(message)
        self.path, self.message, self.hint, self.reason = path, message, hint, reason


def resolve(
    loaded: LoadedSource, manifests: Manifests, *, environ: Mapping[str, str], data_dir: Path
) -> ResolvedReferences:
    """Find the key and the file of a source.

    Args:
        loaded: the source; `csv.path` is relative to its manifest's folder.
        manifests: where its Secret and its ConfigMap are looked up.
        environ: environment variables, for keys and mounted volumes.
        data_dir: where the contents of ConfigMaps are written, in `configmaps/`.

    Returns:
        The key and the file, or a problem for what was not found. Never raises for bad input.
    """
    try:
        return ResolvedReferences(
            api_key=_find_api_key(loaded, manifests, environ),
            csv_path=_find_csv_file(loaded, manifests, environ, data_dir),
        )
    except _UnresolvedError as error:
        problem = Problem(
            str(loaded.file), loaded.document, error.path, error.message, error.hint, loaded.line
        )
        return ResolvedReferences(problems=(problem,), reason=error.reason)


def api_keys_in(manifests: Manifests) -> frozenset[str]:
    """Return the API keys that Secrets among the manifests hold for the sources beside them."""
    return frozenset(
        _decode_key(secret, reference).strip()
        for loaded in manifests.sources
        if (reference := loaded.source.spec.api_key_secret_ref) is not None
        if (secret := _find_secret(loaded, reference, manifests)) is not None
        if reference.key in secret.contents
    )


def _find_api_key(
    loaded: LoadedSource, manifests: Manifests, environ: Mapping[str, str]
) -> str | None:
    spec = loaded.source.spec
    if not _takes_key(spec):
        return None
    reference, variable = spec.api_key_secret_ref, api_key_variable(spec)
    secret = None if reference is None else _find_secret(loaded, reference, manifests)
    if reference is not None and secret is not None:
        return _check_key(_read_key(secret, reference), KEY_PATH)
    # A spec with a reference runs in a pod, where an empty variable is an empty Secret, and an
    # error. Without one, as on a laptop, an empty variable counts as not set.
    if environ.get(variable) or (reference is not None and variable in environ):
        return _check_key(environ[variable], variable)
    if reference is None and spec.vendor_settings is None:
        # Only the plugin knows whether it needs a key; it raises KeyMissing itself.
        return None
    needed = f"the plan {spec.vendor_settings.plan}" if spec.vendor_settings else "the source"
    where = f"add the Secret {reference.name} to the files" if reference else f"set {KEY_PATH}"
    raise _UnresolvedError(
        KEY_PATH,
        f"{needed} needs a key and there is none",
        f"{where} or set {variable}",
        reason=Reason.KEY_MISSING,
    )


def _takes_key(spec: CryptoSourceSpec) -> bool:
    """Return whether a key would be sent: not for a file, nor for a plan without a header."""
    if spec.vendor is None:
        return spec.csv is None
    return api_key_header(spec) is not None


def _find_secret(
    loaded: LoadedSource, reference: SecretKeyRef, manifests: Manifests
) -> ConfigurationObject | None:
    return manifests.secrets.get((loaded.key[0], reference.name))


def _decode_key(secret: ConfigurationObject, reference: SecretKeyRef) -> str:
    # Never an error here: `_check_key` refuses what a header cannot carry, without showing it.
    return secret.contents[reference.key].decode("utf-8", errors="replace")


def _read_key(secret: ConfigurationObject, reference: SecretKeyRef) -> str:
    if reference.key not in secret.contents:
        keys = ", ".join(sorted(secret.contents)) or "none"
        raise _UnresolvedError(
            f"{KEY_PATH}.key",
            f"the Secret {reference.name} at {secret.where} has no key {reference.key}",
            f"its keys: {keys}",
            reason=Reason.KEY_MISSING,
        )
    return _decode_key(secret, reference)


def _check_key(key: str, where: str) -> str:
    """Return the key stripped of blanks.

    Raises:
        _UnresolvedError: it is empty, or holds characters that a header cannot carry.
    """
    # `echo KEY | base64`, as many write it, puts a line end into the Secret.
    key = key.strip()
    if not key:
        raise _UnresolvedError(
            where, "the key is empty", "put the upstream's key there", reason=Reason.KEY_MISSING
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise _UnresolvedError(
            where,
            "the key holds characters no header can carry",
            "copy it again",
            reason=Reason.KEY_REJECTED,
        )
    return key


def _find_csv_file(
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
        return _write_config_map(config_map, reference.key, data_dir)
    if environ.get(CONFIG_MAPS_VARIABLE):
        return Path(environ[CONFIG_MAPS_VARIABLE], reference.name, reference.key)
    raise _UnresolvedError(
        "spec.csv.configMap.name",
        f"the ConfigMap {namespace}/{reference.name} is not among the files",
        "add the file that defines it with -f",
    )


def _write_config_map(config_map: ConfigurationObject, key: str, data_dir: Path) -> Path:
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
    # An unchanged file keeps its modification time, by which a run finds that nothing is new in it.
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    # Replaced in one step, in the same folder: another run may be reading the old content.
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as stream:
        stream.write(content)
    try:
        Path(stream.name).replace(file)
    except OSError:
        Path(stream.name).unlink(missing_ok=True)
        raise
