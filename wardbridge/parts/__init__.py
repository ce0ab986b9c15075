"""What all parts of a running service share: start and stop, what blocks, what failed, work at intervals."""
