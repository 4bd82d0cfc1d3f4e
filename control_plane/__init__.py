"""The control plane: studios, people, policy, keys, audit, the portal and what arrives from the boxes.

It may import `shared`, never `edge_agent`. Apps import downwards only:
`config` > `api` `console` `portal` > `sharing` `retention` `ingest` `live` `analysis` `notifications` >
`recordings` `fleet` > `studios` > `accounts` > `audit` `storage` > `common`.
"""
