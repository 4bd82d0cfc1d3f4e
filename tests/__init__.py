"""The tests: `shared`, `edge_agent`, `control_plane`, `web` (in a browser), `repo` (rules of the repository), `rigs` (real servers)."""
