"""How the product is packed, run and shown."""
