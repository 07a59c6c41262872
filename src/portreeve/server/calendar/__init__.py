"""A subject: what ends when, for whoever may see it, and the alerts of it."""
