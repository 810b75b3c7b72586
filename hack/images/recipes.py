"""Which images there are, and what each must and must not hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.places import PROJECT

REPOSITORY = "localhost/cryptosource"
"""A name that no registry is asked for."""
USER_ID = 10001
FRAMEWORKS: Mapping[str, frozenset[str]] = {
    "etl": frozenset({"httpx"}),
    "operator": frozenset({"kopf", "kubernetes"}),
    "api": frozenset({"fastapi", "uvicorn"}),
}
"""Extra -> distributions that it alone brings."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image is built and checked."""

    name: str
    folder: Path = PROJECT
    """The build's context; its Dockerfile has a target of the image's name."""
    packages: tuple[str, ...] = ("python3", "python3-venv", "ca-certificates")
    """Debian packages of the base that is made where no registry is."""
    started: tuple[str, ...] = ("cryptosource", "--help")
    """Must succeed with a read-only root."""
    modules: tuple[str, ...] = ()
    """Must be importable."""

    @property
    def forbidden(self) -> frozenset[str]:
        """Return the distributions that belong to other images."""
        if self.name not in FRAMEWORKS:
            return frozenset()
        others = (FRAMEWORKS[extra] for extra in FRAMEWORKS if extra != self.name)
        return frozenset[str]().union(*others) - FRAMEWORKS[self.name]

    def reference(self, tag: str) -> str:
        """Return the image's full name."""
        return f"{REPOSITORY}/{self.name}:{tag}"


COMMANDS = "cryptosource_cli.commands."
STORE_COMMANDS = (f"{COMMANDS}migrate", f"{COMMANDS}maintain")
"""Every image can bring the database to its schema, and keep house in it."""
RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="etl",
            modules=(*STORE_COMMANDS, f"{COMMANDS}run", "cryptosource_cli.run_factory"),
        ),
        Recipe(name="operator", modules=(*STORE_COMMANDS, "cryptosource_operator")),
        Recipe(name="api", modules=(*STORE_COMMANDS, f"{COMMANDS}api")),
        Recipe(
            name="postgres",
            folder=PROJECT / "hack" / "images" / "postgres",
            packages=("postgresql-15",),
            started=("postgres", "--version"),
        ),
    )
}
