"""Foundations of every app of the control plane: actors, tenant scope, row security, errors, request context, tasks.

Imports no other app of ours. `scoping` opens a studio; `models` has the abstract tables; `rls` enforces the same scope in
PostgreSQL; `problems` and `middleware` turn `errors` into responses.
"""
