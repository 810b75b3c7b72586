"""The run: claim a source, pull pages, load each in one transaction, move the checkpoint.

`run` moves pages from a source into a sink, whatever they are; `flow` says what it asks of them.
`upstream` puts together a run that loads, `replay` one that judges stored records again.

Belongs here: everything that touches the store. Never here: what a vendor's field means, or how
its bytes are fetched.
"""
