"""The router at work: its step for an installation, its thread, its clock, and whether it stands still."""
