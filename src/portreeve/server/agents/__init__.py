"""A subject: the agents of environments: how they are enrolled and known, and the channel that they talk over."""
