"""Manifests in files and folders, read as `kubectl apply -f` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptosource_cli.configuration_objects import ConfigurationObject, read_configuration_object
from cryptosource_crd.documents import MAX_TEXT_LENGTH, Document, DocumentError, read_documents
from cryptosource_crd.explanations import Problem, closest, explain_syntax, parse_source
from cryptosource_crd.v1alpha1 import KIND, CryptoSource

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Suffixes of the files of a folder that are read; subfolders are not."""

ObjectKey = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, kw_only=True)
class LoadedSource:
    """A source, with its position in the files."""

    source: CryptoSource
    file: Path
    document: int
    """Counted from 1."""
    line: int
    """Counted from 1."""

    @property
    def key(self) -> ObjectKey:
        """Namespace and name."""
        return self.source.metadata.namespace, self.source.metadata.name

    @property
    def where(self) -> str:
        """`file:line`, for messages."""
        return f"{self.file}:{self.line}"


@dataclass
class Manifests:
    """The contents of the given files."""

    files: list[Path] = field(default_factory=list)
    """The files read, in order."""
    sources: list[LoadedSource] = field(default_factory=list)
    config_maps: dict[ObjectKey, ConfigurationObject] = field(default_factory=dict)
    secrets: dict[ObjectKey, ConfigurationObject] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    """Problems of documents that could not be read; all others were."""
    notes: list[str] = field(default_factory=list)
    """Documents that were ignored, one sentence each."""


def load_manifests(paths: Iterable[str | Path]) -> Manifests:
    """Read every manifest of the given files and folders.

    Args:
        paths: files, or folders whose *.yaml, *.yml and *.json are read in order of name.

    Returns:
        The contents of the files. Invalid input raises nothing: it is listed in `problems`.
    """
    manifests = Manifests()
    for file in _files(paths, manifests):
        manifests.files.append(file)
        for document in _documents(file, manifests):
            _add_document(document, file, manifests)
    if not manifests.sources and not manifests.problems:
        names = ", ".join(str(path) for path in paths) or "no file"
        manifests.problems.append(Problem(names, 1, "", f"holds no {KIND}", "see samples/"))
    return manifests


def _files(paths: Iterable[str | Path], manifests: Manifests) -> Iterator[Path]:
    # A file may be given twice, by its name and by its folder.
    seen: set[Path] = set()
    for path in map(Path, paths):
        for file in _files_of(path, manifests):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _files_of(path: Path, manifests: Manifests) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        manifests.problems.append(_unreadable(path, error))
        return []
    files = [file for file in files if not file.is_dir()]
    if not files:
        message = "the folder holds no *.yaml, *.yml or *.json"
        manifests.problems.append(
            Problem(str(path), 1, "", message, "name a file or another folder")
        )
    return files


def _documents(file: Path, manifests: Manifests) -> Iterator[Document]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            # One more than the limit, which `read_documents` then refuses: a file may be endless.
            documents = read_documents(stream.read(MAX_TEXT_LENGTH + 1))
    except OSError as error:
        manifests.problems.append(_unreadable(file, error))
    except UnicodeDecodeError:
        manifests.problems.append(
            Problem(str(file), 1, "", "is not UTF-8 text", "save it as UTF-8")
        )
    except DocumentError as error:
        manifests.problems.append(explain_syntax(error, file=str(file)))
    else:
        for document in documents:
            yield from _unpack_list(document)


def _unreadable(path: Path, error: OSError) -> Problem:
    hint = "check the path" if isinstance(error, FileNotFoundError) else ""
    return Problem(str(path), 1, "", f"cannot be read: {error.strerror or error}", hint)


def _unpack_list(document: Document) -> Iterator[Document]:
    """Yield the items of a `List`, as which `kubectl get -o yaml` writes several objects."""
    value = document.value
    if isinstance(value, dict) and value.get("kind") == "List":
        items = value.get("items")
        if isinstance(items, list):
            for position in range(len(items)):
                yield from _unpack_list(document.item("items", position))
            return
    yield document


def _add_document(document: Document, file: Path, manifests: Manifests) -> None:
    value, line = document.value, document.line_of(())
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str):
        manifests.problems.append(
            Problem(
                str(file),
                document.index,
                "kind" if isinstance(value, dict) else "",
                "is missing" if isinstance(value, dict) else "is not a manifest",
                f"kind: {KIND}, with apiVersion, metadata and spec",
                line,
            )
        )
    elif kind == KIND or _is_our_group(value.get("apiVersion")):
        _add_source(document, file, manifests)
    elif kind in {"ConfigMap", "Secret"}:
        _add_object(document, file, manifests)
    elif closest(kind, [KIND]):
        hint = f"did you mean {KIND}?"
        message = f"{kind[:64]!r} is not a kind that is read here"
        manifests.problems.append(
            Problem(str(file), document.index, "kind", message, hint, document.line_of(("kind",)))
        )
    else:
        manifests.notes.append(f"{file}:{line}: a {kind[:64]} is not read here and was passed over")


def _is_our_group(api_version: object) -> bool:
    return isinstance(api_version, str) and api_version.startswith("cryptosource.io/")


def _add_source(document: Document, file: Path, manifests: Manifests) -> None:
    parsed = parse_source(document, file=str(file))
    if isinstance(parsed, list):
        manifests.problems.extend(parsed)
        return
    loaded = LoadedSource(
        source=parsed, file=file, document=document.index, line=document.line_of(())
    )
    earlier = next((other for other in manifests.sources if other.key == loaded.key), None)
    if earlier is None:
        manifests.sources.append(loaded)
    else:
        manifests.problems.append(_duplicate(document, file, KIND, loaded.key, earlier.where))


def _add_object(document: Document, file: Path, manifests: Manifests) -> None:
    parsed = read_configuration_object(document, file=str(file))
    if isinstance(parsed, Problem):
        manifests.problems.append(parsed)
        return
    objects = manifests.config_maps if parsed.kind == "ConfigMap" else manifests.secrets
    earlier = objects.setdefault(parsed.key, parsed)
    if earlier is not parsed:
        manifests.problems.append(
            _duplicate(document, file, parsed.kind, parsed.key, earlier.where)
        )


def _duplicate(document: Document, file: Path, kind: str, key: ObjectKey, earlier: str) -> Problem:
    return Problem(
        str(file),
        document.index,
        "metadata.name",
        f"the {kind} {key[0]}/{key[1]} is already defined at {earlier}",
        "give it another name or remove one of them",
        document.line_of(("metadata", "name")),
    )
