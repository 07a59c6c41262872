"""A subject: what is attached to environments, and how each of them says that it stands."""
