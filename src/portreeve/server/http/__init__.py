"""What all routes share: who calls, what they may do, bodies, problems, pages, and the forms of an answer."""
