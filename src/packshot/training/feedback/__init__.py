"""Learning from the user's own labels without forgetting."""
