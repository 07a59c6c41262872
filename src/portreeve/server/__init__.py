"""A program: the control plane. `app` builds it, `settings` reads the environment, and each subject has its room."""
