"""A subject: registries that namespaces ask for from within their clusters. Listed, approved by a plan, or refused."""
