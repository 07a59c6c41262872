"""What is installed from source, built as somebody's pip would."""
