"""The vault: keys, sealing, signing."""
