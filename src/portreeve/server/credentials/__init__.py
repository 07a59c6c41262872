"""A subject: stored secrets of registries. They come in, are sealed, and leave sealed for one agent."""
