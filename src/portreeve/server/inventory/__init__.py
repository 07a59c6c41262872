"""A subject: what environments tell of workloads and pull secrets, and grants beside what is used."""
