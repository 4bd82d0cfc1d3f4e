"""The admin site: the studio's data for its admins, and what the operators of a studio change.

Django's own admin with our colours. What it shows is up to `access` and the studio in scope; what it changes, it
changes through the services of the apps beneath. History is read-only. Imports nothing of `portal` and `api`.
"""
