"""The routes, a module per subject. Each only reads parameters, asks a query and answers."""
