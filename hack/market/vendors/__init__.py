"""One module per vendor: which routes it has, and what its records look like."""
