"""The console: its pages in a real browser, against the real control plane."""
