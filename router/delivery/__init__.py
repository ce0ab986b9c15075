"""Telling subscribers: who wants what, and the ways in which it reaches them."""
