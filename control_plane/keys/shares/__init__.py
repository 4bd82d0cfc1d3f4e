"""Key shares: a random share of each class key and studio key, kept apart from the database and its backups.

Destroying a share makes the key useless in every backup of database and objects, however old. `store` defines the port;
`folder` keeps shares in a folder of the server, `database` in a PostgreSQL database of its own.
"""
