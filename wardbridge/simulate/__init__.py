"""Others' systems, played: a receiver that takes notices, or misbehaves as it is told to."""
