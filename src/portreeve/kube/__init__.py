"""An edge: the Kubernetes API of one cluster. It says what is there and does what it is told; it decides nothing."""
