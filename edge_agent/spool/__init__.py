"""From packets to encrypted segments that survive a power cut: segmenter, cipher, store, index, recovery, cleaner.

`Recording` runs one order of the configuration; `Spool` is the buffer that uploads are taken from. Plaintext never
touches the disk, and recovery needs no key. Imports `sync`, `capture` and below; `av` only in `segmenter` and `sound`.
"""
