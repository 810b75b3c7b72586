"""One module per subcommand; each holds `command`.

Belongs here: options, arguments and what is printed. Never here: how a run, a migration or the
API works.
"""
