"""A subject: which hosts environments must reach for the registries that are granted there, and what changed of it."""
