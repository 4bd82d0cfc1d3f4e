"""Keys: root keys, key shares, the keyring of a studio, and `vault`, the only way to the content keys of classes."""
