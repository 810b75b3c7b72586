"""`python -m hack.showcase`: serve a seeded database, or take the pictures of the docs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.showcase.seeding import seed

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import ApiServer
from cryptosource_api.settings import ApiSettings
from cryptosource_store.embedded import embedded_postgres
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import migrate


@contextmanager
def showcase(port: int) -> Iterator[str]:
    """Yield the address of an API on a seeded database of its own."""
    with tempfile.TemporaryDirectory(prefix="cryptosource-showcase-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as a user of its own
        with embedded_postgres(Path(folder) / "postgres") as url:
            migrate(url)
            engine = session_engine(url, application="cryptosource-showcase")
            seed(engine)
            engine.dispose()
            settings = ApiSettings(port=port)
            reading = api_engine(url, settings)
            server = ApiServer(create_app(settings, reading), settings)
            server.start()
            try:
                yield server.url
            finally:
                server.stop()
                reading.dispose()


def main() -> int:
    """Run the command line; return 1 where a page paints later than is promised."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.showcase", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="take them and end")
    options = parser.parse_args()
    with showcase(options.port) as address:
        if options.screenshots is not None:
            from hack.showcase.screenshots import take  # noqa: PLC0415 - needs a browser

            return 0 if take(address, options.screenshots) else 1
        print(f"Serving {address}. Enter stops.", flush=True)
        input()
    return 0


if __name__ == "__main__":
    sys.exit(main())
