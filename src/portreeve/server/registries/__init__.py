"""A subject: registries as they are reached from here: validated, browsed, and asked how much may still be pulled."""
