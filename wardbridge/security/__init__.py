"""Authentication, authorisation, audit and the secrets of an installation.

``authenticator`` finds who asks, ``route_rights`` is what each route asks for; ``session`` and ``oidc`` are ways to sign in
beside a token. ``audit``, ``refusals`` and ``audit_spool`` write topic ``audit``. ``secret`` is the key of patient keys,
``sealing`` that of registrations.
"""
