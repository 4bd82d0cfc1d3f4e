"""The control plane: studios, people, policy, keys, audit, the portal and what arrives from agents.

It may import `shared`, never `edge_agent`. Apps import downwards only; `pyproject.toml` has the contract:
`config` > `api` `console` `portal` > `compliance` > `sharing` `retention` `ingest` `live` `analysis` `notifications` >
`integrity` > `recordings` > `fleet` > `identity` > `administration` > `storage` > `keys` `people` > `access` > `plans` >
`tenancy` > `accounts` > `audit` > `common`.
"""
