"""The command line: one file per verb; everything heavy is imported when a verb runs."""
