"""The vendors whose APIs are read here, a module each.

Belongs here: for each vendor its member of the spec, its plans and its paging, as one `Vendor`;
`origin.VENDORS` lists them. Never here: a vendor's answers, which `cryptosource_etl.sources` reads.
"""
