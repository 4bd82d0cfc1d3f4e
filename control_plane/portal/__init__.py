"""The pages of instructors, families, studio admins and platform operators, in one package per area (`areas.py`).

An area holds its views, forms, presenters, templates and addresses. Views parse, call one selector or service of the
apps below, and render; they decide nothing. The player and the styles are built from `web/` to `static/portal/dist/`.
Imports nothing of `api` and `console`.
"""
