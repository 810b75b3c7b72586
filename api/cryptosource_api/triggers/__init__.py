"""`/trigger-etl`: requests for runs, and their state.

Belongs here: placing a request and showing it. Never here: starting the run, which the operator or
`cryptosource up` does.
"""
