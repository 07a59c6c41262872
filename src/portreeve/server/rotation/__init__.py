"""A subject: how far a credential has come, and what ends when it has come everywhere."""
