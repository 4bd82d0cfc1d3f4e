"""The tests, one folder a package; `web` runs in a browser, `repo` holds the repository's rules, `rigs` real servers."""
