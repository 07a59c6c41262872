"""The one version of the one distribution."""

__version__ = "0.1.0"
