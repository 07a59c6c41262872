"""What changes tables, one step per file in `versions`, each written out and never changed once it is released."""
