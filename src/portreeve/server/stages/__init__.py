"""A subject: the stages of policies. What would be denied, for how long nothing was, and moving forward and back."""
