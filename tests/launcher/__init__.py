"""PostgreSQL, Valkey and the processes under one roof."""
