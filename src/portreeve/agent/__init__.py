"""A program: what runs in a managed cluster. It dials out, is told what should be there, and says what is."""
