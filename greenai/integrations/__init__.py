"""What greenai is used with: one module for each host, loaded only by who imports it.

A host that is another package is an optional extra, imported by its module here alone.
"""
