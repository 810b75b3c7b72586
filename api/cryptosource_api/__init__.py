"""The read side: HTTP in front of what the store holds.

Belongs here: routes, the queries behind them, their models, problems, telemetry. Never here:
writing data (requests for runs are all it writes), SQL text (that is
`cryptosource_store.statements.coins*`), knowledge of vendors.
"""
