"""The edge agent: records the cameras of a studio's rooms, encrypts, survives faults, uploads.

Main flow: `sources` read compressed packets, `capture` supervises them and feeds subscribers, `sync` dates packets,
`recording` muxes them into fragments, `spool` keeps encrypted segments that survive a power cut, `upload` brings them to
the control plane. `control` receives the configuration, `update` installs releases, `local` serves the status, and `core`
owns all of it. Imports `shared`, never `control_plane`; the order of the packages is a contract in pyproject.toml.
"""
