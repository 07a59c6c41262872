"""A subject: what an environment offers to the people who work in it."""
