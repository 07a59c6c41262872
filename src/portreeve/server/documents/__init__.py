"""A subject: documents of every kind. They have one form, so they have one store, one service and one set of routes."""
