"""The Kubernetes edge, against a real API server."""
