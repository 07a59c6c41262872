"""A subject: what helps to write a policy. The policy itself is a document like any other."""
