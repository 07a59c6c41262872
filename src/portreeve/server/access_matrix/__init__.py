"""A subject: registries beside namespaces, users and teams: what is granted where, and how it stands."""
