"""A registry that does harm on purpose, and what it does."""
