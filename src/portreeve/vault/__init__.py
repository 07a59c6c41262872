"""An edge: keys, and what is sealed or signed with them. The only room that knows the cryptography library."""
