"""A subject: what runs in the environments, as they have reported it, and what is to be said of an image."""
