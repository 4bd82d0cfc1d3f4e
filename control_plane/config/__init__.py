"""The composition root of the control plane: settings from the environment, URLs, ASGI, Celery, system checks.

It may import everything. Only entry points such as `manage` import it.
"""
