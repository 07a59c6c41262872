"""A subject: tokens that are minted from stored credentials, once for all environments, before the last one ends."""
