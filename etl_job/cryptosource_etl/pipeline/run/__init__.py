"""One run: its plan, claim, heartbeat, outcome, and the loop over its pages.

Belongs here: everything from the claim to the outcome in the run's row. Never here: what a page
holds or where it is written.
"""
