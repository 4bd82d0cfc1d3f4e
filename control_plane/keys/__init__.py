"""Keys: root keys and the key shelf, the keyring of a studio, and `vault`, which alone hands out the keys of classes."""
