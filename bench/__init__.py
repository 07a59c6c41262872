"""What performance claims rest on: each module prints its own figures against a limit or a peer."""
