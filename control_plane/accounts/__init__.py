"""Accounts: people, sign-in, one-time sign-in links, sessions. `access` decides what people may do."""
