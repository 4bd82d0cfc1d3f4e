"""The key above all keys, and who may hold it: a file, Vault or OpenBao, a cloud's KMS.

`root` says what a holder does (`RootKey`) and keeps several beside each other while one follows another (`RootRing`);
`file`, `transit` and `kms` hold. Only `keys.vault` and the services of keys open anything with them.
"""
