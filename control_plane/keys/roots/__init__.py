"""Root keys, and the places that can hold one: a file, Vault or OpenBao, a cloud's KMS.

`root_key` defines the port (`RootKey`) and `RootKeyring`, which also opens older root keys during a rotation. `file`,
`transit` and `kms` implement the port. Only `keys.vault` and the services of keys use them.
"""
