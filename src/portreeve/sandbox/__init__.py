"""A whole Portreeve on one machine, to be looked at: its programs, started and ended, and a story told with them."""
