"""Benchmarks: figures that are only ever compared with others of the same run.

Belongs here: what measures the product from outside. Never here: anything the product needs.
"""
