"""The agent's link to its control plane: identity, enrolment, configuration, status reports.

`enrol` makes the `identity`; `link` carries what `session` says (both directions of the websocket, or HTTP); what is
desired lies in `config_store`, and `reconcile` tells which steps lead there. Imports spool and below, never `upload`.
"""
