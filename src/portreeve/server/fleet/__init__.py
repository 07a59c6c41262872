"""A subject: the fleet at a glance, and what is worth doing first; the first page of the console."""
