"""Whatever bytes come, only the declared errors come out: targets for atheris (`nox -s fuzz`), one for each decoder.

`wire`, `disk`, `camera` and `server` hold the targets; `target` says what one is. They need no atheris themselves, so
that the usual tests run each on its own examples. `worker` is one target under atheris, `__main__` runs worker after
worker and prints the table.
"""
