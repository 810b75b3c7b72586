"""The CryptoSource resource as Python: what a manifest may say, what it means and what it costs.

Belongs here: the models of spec and status, the vendors' plans as data, and pure functions over
them (schedule, cost, explanations). Never here: I/O, clocks, environment variables, web or
Kubernetes frameworks. Imports the standard library, pydantic, pyyaml and cronsim alone.
"""
