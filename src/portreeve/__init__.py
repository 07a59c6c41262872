"""Portreeve: governance of container registries.

The rooms and who may import whom: docs/index.md.
"""
