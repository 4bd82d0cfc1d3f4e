"""Access: permissions, roles, grants, break-glass access and API keys, and `access`, the only module that decides.

It knows no app above it. Apps above hand it facts through `sources`: guardians (`people`), the sign-in policy
(`identity`).
"""
