"""The sabotage list: faults put into a scratch copy on purpose, each of which named tests must catch.

`python -m tests.sabotage` (`nox -s sabotage`) applies one after the other and expects the tests to fail.
"""
