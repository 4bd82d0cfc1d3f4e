"""The admin site: the data of one studio, for its admins.

Django's admin site in the colours of the portal. `access` and the studio in scope decide which rows it shows. All changes
go through the services of the other apps. History is read-only. Does not import `portal` or `api`.
"""
