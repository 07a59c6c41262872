"""The real parts that tests run against: what they are, where they come from, how they are driven."""
