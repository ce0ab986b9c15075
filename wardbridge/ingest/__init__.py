"""The adapters as feeds: what is asked of each kind, the registry of kinds, and a feed at work.

Who needs no adapter imports neither its code nor that of its libraries.
"""
