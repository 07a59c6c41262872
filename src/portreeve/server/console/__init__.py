"""The web console as the control plane serves it: one page and its files, built beforehand from `console/`."""
