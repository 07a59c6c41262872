"""The reconciler on the real API server."""
