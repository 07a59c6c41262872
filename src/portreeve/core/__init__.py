"""Values and decisions: standard library only, no clock, no files, no sockets, no logging."""
