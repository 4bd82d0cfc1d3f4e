"""The demo: the whole product with three rendered cameras, by one command.

Flow: `python -m deploy.demo` starts the control plane and a real agent, plays the loops of `tools.demo_scene` as live
cameras (or uses real ones), records a class and prints the address of its replay.

The demo talks to the product only as an operator would: by its commands, its web addresses and its files. It imports
neither `control_plane` nor `edge_agent`; its processes are started and stopped by `launcher.child_process`.
"""
