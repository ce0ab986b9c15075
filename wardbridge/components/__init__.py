"""The parts of a running service, each with the same life: start, stop, what blocks, what failed."""
