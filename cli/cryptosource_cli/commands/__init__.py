"""The subcommands: one module each, which defines `command`.

Belongs here: options, arguments and output. Never here: how a run, a migration or the API works.
"""
