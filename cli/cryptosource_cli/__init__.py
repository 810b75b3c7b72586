"""The `cryptosource` command: everything the other parts can do, for people and for containers.

Belongs here: arguments, what is printed, exit codes, and the places where the parts are put
together (`assembly` for a run, `scheduling` for many). Never here: what a part itself does.
"""
