"""The HTTP API and the web pages, which read the store.

Belongs here: routes with their parameters, queries and models, in a package for each feature
(`coins`, `runs`, `health`, `triggers`, `live`, `exports`, `metrics`, `page`), on top of `http`,
`database`, `tracing`, `openapi` and `adapters`. Never here: writing data other than requests for
runs, SQL text (`cryptosource_store.statements`), knowledge of vendors.
"""
