"""A run: claim a source, read its pages, load each in one transaction, move the checkpoint.

`run.lifecycle` moves pages from a source into a sink; `run.ports` holds the protocols of both.
`load.load_run` composes a run that loads, `replay.replay_run` one that judges stored records again.

Belongs here: everything that touches the store. Never here: what a vendor's field means, or how
its bytes are fetched.
"""
