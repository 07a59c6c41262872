"""An edge: the OCI Distribution API, spoken to one registry."""
