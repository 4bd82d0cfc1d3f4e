"""What the agent and the control plane have in common: the wire (`protocol`) and small pure tools (`kernel`).

Imports the standard library and msgspec only, so that a box never installs Django and a server never installs PyAV.
"""

__version__ = "0.1.0"
