"""Policy: what is asked for when, how often, at what pace, and what counts as done."""
