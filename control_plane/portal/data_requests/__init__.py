"""Requests of people about the data of a dancer: the list, the download of everything, erasure with its receipt."""
