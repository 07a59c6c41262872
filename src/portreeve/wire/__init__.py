"""Documents and reports: bytes in, core values out, and back."""
