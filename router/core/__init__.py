"""The pure core: two folds and a step. No I/O, no clock, no random, no logging."""
