"""Who you are: people, how they sign in, one-time sign-in links. What they may do is decided in `access`."""
