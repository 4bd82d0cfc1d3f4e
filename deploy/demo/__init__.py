"""The demonstration: three rendered cameras, a server that plays them in real time, and the whole product around them.

Flow: `render` draws and encodes one loop of a dancer from three wall positions (cached), `cameras` serves the loop as
endless live streams locked to UTC, and `python -m deploy.demo` starts the control plane and a real agent, records a
class from those cameras (or from real ones) and prints the address of its replay.

The demonstration talks to the product only as a stranger would: by its commands, its web addresses and its files. It
imports neither `control_plane` nor `edge_agent`.
"""
