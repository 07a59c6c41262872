"""A subject: what whoever holds an admission message may ask without signing in."""
