"""What every app of the control plane stands on: actors, tenant scope, row security, errors, request context, tasks.

Imports no other app of ours. `scoping` opens a studio; `models` are the abstract tables; `rls` puts the second wall
into PostgreSQL; `errors` are turned into answers by `problems` and `middleware`.
"""
