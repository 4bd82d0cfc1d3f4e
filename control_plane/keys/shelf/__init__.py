"""The key shelf: one random half of every class's and every studio's key, kept outside of the database and its backups.

What is destroyed here opens no backup of database and objects any more, however old. `shelf` says what a shelf does;
`folder` keeps it in a folder of the server, `database` in a PostgreSQL database of its own.
"""
