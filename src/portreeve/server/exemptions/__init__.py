"""A subject: exemptions on their way. Asked for by one person, decided on by another, and over by themselves."""
