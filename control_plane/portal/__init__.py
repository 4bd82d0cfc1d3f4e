"""The studio's own web: classes and their replay, rooms and the Record button, agents and pairing.

Views parse, call one selector or service of the apps beneath, and render; they decide nothing. The player and the
styles are built from `web/` to `static/portal/dist/`. Imports nothing of `api` and `console`.
"""
