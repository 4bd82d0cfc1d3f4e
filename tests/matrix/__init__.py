"""The access matrix: every address, socket, task, command and admin page, asked by everybody, in every state.

`policy.txt` says who may; `expected` derives from it what each cell has to answer; `cells` asks, judges the status and
looks through the whole answer for the other studio's words, ids and bytes. See `README.md`.
"""
