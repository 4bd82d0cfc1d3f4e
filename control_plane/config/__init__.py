"""The composition root of the control plane: settings from the environment, addresses, ASGI, Celery, checks.

Imports everything, is imported by nothing of ours but `manage`-like entry points.
"""
