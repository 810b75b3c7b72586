"""The source type Keyed as a package, as `pip install --target` would lay it into a folder."""

from __future__ import annotations

from pathlib import Path

from cryptosource_etl.sources.registry import GROUP

SOURCE_TYPE = "Keyed"
KEY_VARIABLE = "KEYED_API_KEY"
LOGGED = "asking with the key [redacted]"
"""What a run of it logs: the source writes its key down."""
SPAN = "keyed.ask [redacted]"
"""The span around its request, named by its key."""
_MODULE = Path(__file__).with_name("keyed_source.py")
_METADATA = "Metadata-Version: 2.1\nName: keyed-source\nVersion: 1.0\n"
_ENTRY_POINTS = f"[{GROUP}]\n{SOURCE_TYPE} = keyed_source:PLUGIN\n"


def package_files() -> dict[str, str]:
    """Return the package's files: path below the folder -> text."""
    return {
        _MODULE.name: _MODULE.read_text("utf-8"),
        "keyed_source-1.0.dist-info/METADATA": _METADATA,
        "keyed_source-1.0.dist-info/entry_points.txt": _ENTRY_POINTS,
    }


def install(folder: Path) -> Path:
    """Write the package into a folder, for PYTHONPATH, and return the folder."""
    for name, text in package_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
