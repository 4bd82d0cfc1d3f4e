"""Administration of studios: create and change studios and rooms, invite and remove members, make platform operators.

The tables are those of `tenancy`. The writes are here, because they ask `access`, count quotas of `plans`, create the
first keys and end guardianships, and those apps build on the tables of `tenancy`.
"""
