"""Options and checks shared by the commands that read manifests."""

from __future__ import annotations

from pathlib import Path

import click

from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.environment import Environment
from cryptosource_cli.manifest_files import LoadedSource, Manifests, load_manifests
from cryptosource_etl.settings import RunSettings
from cryptosource_store.environment import InvalidSetting

files_option = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Manifest, or folder of manifests; may be repeated.",
)
"""`-f FILE`, one or more."""

source_option = click.option(
    "--source", "name", help="NAME or NAMESPACE/NAME, where the files hold several."
)
"""`--source NAME`."""


def require_manifests(files: tuple[Path, ...]) -> Manifests:
    """Load manifests, all of which must be valid.

    Raises:
        CommandError: there are problems; the message lists them all.
    """
    manifests = load_manifests(files)
    if manifests.problems:
        raise CommandError("\n".join(str(problem) for problem in manifests.problems))
    return manifests


def select_source(manifests: Manifests, name: str | None) -> LoadedSource:
    """Return the source of a name, or the only one.

    Raises:
        CommandError: there is no source of that name, or several and no name is given.
    """
    sources = [
        loaded
        for loaded in manifests.sources
        if name in {None, loaded.source.metadata.name, "/".join(loaded.key)}
    ]
    if len(sources) == 1:
        return sources[0]
    names = ", ".join("/".join(loaded.key) for loaded in manifests.sources)
    problem = f"no source named {name!r}" if name else "more than one source"
    raise CommandError(f"there is {problem} in these files; choose one with --source: {names}")


def run_settings(environment: Environment) -> RunSettings:
    """Return the settings of a run.

    Raises:
        CommandError: an environment variable is invalid.
    """
    try:
        return RunSettings.from_environ(environment.variables)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error
