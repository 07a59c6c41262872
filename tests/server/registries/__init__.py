"""Registries as the control plane reaches them: real ones, of every kind that can run here."""
