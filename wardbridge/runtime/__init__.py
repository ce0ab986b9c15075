"""The running service: composition, processes and their supervision, roles, journal, retention.

``service`` is the composition root; ``worker`` the process of a role, ``processes`` what starts and watches it.
"""
