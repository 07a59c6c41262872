"""Pure machines, driven by a seed through faults, with their invariants checked after every step."""
