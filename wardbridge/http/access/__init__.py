"""Who is let in to the HTTP surface.

``rights`` is what somebody may, ``rules`` what each route asks for, ``gate`` who is asking,
``session``, ``certificate`` and ``oidc`` the ways to show it beside a token.
"""
