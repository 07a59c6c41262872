"""A subject: what each environment should hold, numbered, signed, with its credentials sealed for its agent."""
