"""One run: its claim, heartbeat, outcome, and the loop over its pages.

Belongs here: what holds from the first statement to the last word in the run's row. Never here: what
a page holds or where it goes.
"""
