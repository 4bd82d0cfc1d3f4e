"""The portal's area of consents: the studio's table, notices and papers, and the pages on which families answer."""
