"""The log: one port (``bus.port``), its engines, and the step runner, the only code that commits."""
