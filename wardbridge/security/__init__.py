"""Who is let in, what they may see and do, what is noted of it, and the secrets of an installation.

``gate`` is who asks, ``rules`` what each route asks for; ``session`` and ``oidc`` are ways to show it beside a
token. ``audit``, ``refusals`` and ``notes`` write topic ``audit``. ``secret`` keys patients, ``sealing`` seals registrations.
"""
