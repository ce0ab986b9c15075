"""Adapters: one folder a source; bytes from the world become observations."""
