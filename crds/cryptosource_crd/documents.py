"""YAML and JSON documents, parsed within bounds and with the line of every field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_TEXT_LENGTH = 4 * 1024 * 1024
"""Longest file, in characters; a ConfigMap holds at most 1 MiB."""
MAX_NODES = 200_000
"""Most values in one document, with its aliases unfolded."""

PathPart = str | int


class DocumentError(Exception):
    """A text is not YAML, or exceeds a limit.

    Args:
        message: what is wrong, for a person.
        line: its line, counted from 1; None if unknown.
        document: the number of the document in the text, counted from 1.
    """

    def __init__(self, message: str, *, line: int | None = None, document: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.document = document


@dataclass(frozen=True)
class Document:
    """One document of a file."""

    index: int
    """Number of the document in the file, counted from 1."""
    value: Any = field(repr=False)
    """Plain Python values; times stay strings, as in the API server."""
    _node: yaml.Node = field(repr=False)

    def line_of(self, path: Sequence[PathPart]) -> int:
        """Return the line, counted from 1, of the deepest part of `path` that exists."""
        line, node = self._node.start_mark.line, self._node
        for part in path:
            step = _child(node, part)
            if step is None:
                break
            line, node = step
        return line + 1

    def item(self, name: str, position: int) -> Document:
        """Return one item of the list `name` as a document that keeps its lines."""
        step = _child(self._node, name)
        inner = None if step is None else _child(step[1], position)
        node = self._node if inner is None else inner[1]
        return Document(self.index, self.value[name][position], node)


class _Loader(yaml.SafeLoader):
    """A SafeLoader that keeps times as text and refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain string", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value[:64]!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_documents(text: str) -> list[Document]:
    """Return the documents of a YAML or JSON text, without empty ones.

    Args:
        text: the whole file.

    Raises:
        DocumentError: a syntax error, a duplicate key, or a limit is exceeded.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise DocumentError(f"the file is larger than {MAX_TEXT_LENGTH // 1024 // 1024} MiB")
    if text.lstrip().startswith(("{", "[")):
        # YAML refuses tabs as white space. In JSON they are allowed between values, and within
        # strings only escaped, so all of them can be replaced.
        text = text.replace("\t", " ")
    documents: list[Document] = []
    index = 0
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            index += 1
            # Before anything is built: aliases may unfold to a tree that is exponentially larger.
            _check_size(node, index)
            value = loader.construct_document(node)
            if value is not None:
                documents.append(Document(index, value, node))
    except yaml.YAMLError as error:
        raise _document_error(error, index) from None
    except RecursionError:
        raise DocumentError("nested too deeply", document=max(index, 1)) from None
    except ValueError as error:
        # From PyYAML's conversions, such as of a number of thousands of digits.
        raise DocumentError(f"cannot be read: {error}", document=max(index, 1)) from None
    return documents


def _document_error(error: yaml.YAMLError, index: int) -> DocumentError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        text = error.problem or error.context or "not YAML"
        # Errors of construction are in the document counted last, all others in the one after it.
        in_construction = isinstance(error, yaml.constructor.ConstructorError)
        document = index if in_construction else index + 1
        line = None if mark is None else mark.line + 1
        return DocumentError(_simplify(text), line=line, document=document)
    if isinstance(error, yaml.reader.ReaderError):
        return DocumentError("holds a character that YAML does not allow", document=index + 1)
    return DocumentError("not YAML", document=index + 1)


def _simplify(problem: str) -> str:
    if "cannot start any token" in problem and "\\t" in problem:
        return "a tab is used for indentation: YAML wants spaces"
    return problem


def _child(node: yaml.Node, part: PathPart) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == str(part):
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line, item
    return None


def _check_size(root: yaml.Node, index: int) -> None:
    size = _unfolded_size(root, sizes={}, open_nodes=set())
    if size > MAX_NODES:
        message = f"holds more than {MAX_NODES} values once its aliases are unfolded"
        raise DocumentError(message, document=index)


def _unfolded_size(node: yaml.Node, *, sizes: dict[int, int], open_nodes: set[int]) -> int:
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in open_nodes:
        raise DocumentError("an alias refers to what contains it", line=node.start_mark.line + 1)
    if id(node) not in sizes:
        open_nodes.add(id(node))
        children = node.value
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        sizes[id(node)] = 1 + sum(
            _unfolded_size(child, sizes=sizes, open_nodes=open_nodes) for child in children
        )
        open_nodes.discard(id(node))
    return sizes[id(node)]
