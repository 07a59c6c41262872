"""A subject: clusters that the control plane keeps itself, through a kubeconfig and without an agent: a local start."""
