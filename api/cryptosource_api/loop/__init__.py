"""Reading single statements on the event loop itself; see docs/adr/0010."""
