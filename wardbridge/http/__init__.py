"""The HTTP surface: health, metrics, each ward's list and stream.

``board`` is the read model, ``hub`` those who listen, ``stream`` one listener's events, ``app``
the routes, ``metrics`` what Prometheus reads, ``server`` the socket.
"""
