"""Logs: one JSON object a line, nothing of a patient, nothing repeated without end."""
