"""The `cryptosource` command, for people and for containers.

Belongs here: arguments, output, exit codes, and the wiring of the parts (`run_factory` for one run,
`scheduler` for many). Never here: what a part itself does.
"""
