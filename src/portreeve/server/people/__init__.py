"""A subject: people. How they prove who they are, and what is kept of that."""
