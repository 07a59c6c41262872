"""Carries out in a cluster what an agent's step functions decide, and turns answers and errors into their events."""
