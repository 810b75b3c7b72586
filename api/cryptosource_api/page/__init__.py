"""The page for people: HTML that Postgres fills and a browser shows without any build step.

Belongs here: what is read for a person, how values are written for one, drawings, templates.
Never here: a judgement of its own on how a source is (that is `queries.health`), a script without
which something cannot be read, an asset of somebody else's, a `style` attribute (the policy
forbids it).
"""
