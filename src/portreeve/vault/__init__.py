"""An edge: keys and ciphertexts. The only room that knows the cryptography library; it decides nothing else."""
"""An edge: keys and what is sealed or signed with them."""
