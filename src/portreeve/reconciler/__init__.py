"""What an agent does in its cluster: what is seen becomes the core's values, what is decided becomes requests."""
