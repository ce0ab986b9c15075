"""Which log the configuration names, its move to another, and the schemas registered for what is on it."""
