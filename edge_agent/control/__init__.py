"""How the box is governed: who it is, what it is to do, and how it says what it does.

`enrol` makes the `identity`; `link` carries what `session` says (both directions of the websocket, or HTTP); what is
desired lies in `config_store`, and `reconcile` tells which steps lead there. Imports spool and below, never `upload`.
"""
