"""Migrations: against the tables, from every earlier schema, killed at each statement, and two at once."""
