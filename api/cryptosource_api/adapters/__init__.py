"""Where this package depends on what its dependencies do not promise.

Belongs here: subclasses and look-ups of internals of uvicorn, FastAPI, Starlette and OpenTelemetry, a
module for each. `pyproject.toml` bounds their versions from above, and
`tests/unit/api/test_adapters.py` says first what a new version changed. Never here: anything of ours
that could do without them.
"""
