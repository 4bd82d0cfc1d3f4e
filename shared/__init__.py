"""Code that the agent and the control plane share: the wire protocol (`protocol`) and small pure tools (`kernel`).

Imports the standard library and msgspec only, so that an agent never installs Django and a server never installs PyAV.
"""

__version__ = "0.1.0"
