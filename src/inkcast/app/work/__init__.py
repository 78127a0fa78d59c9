"""The work itself: what a worker does for a job, step by step."""
