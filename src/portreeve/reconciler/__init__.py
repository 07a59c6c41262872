"""Joins the agent's decisions with a cluster: what is watched goes in, what is decided is carried out and told."""
