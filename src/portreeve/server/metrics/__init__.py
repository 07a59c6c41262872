"""A subject: how everything stands, as figures for Prometheus."""
