"""A subject: plans. What a change would do, looked at by a person, and confirmed as that and nothing else."""
