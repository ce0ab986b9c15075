"""The HTTP surface: health, metrics, wards and their streams, subscribers, review, FHIR subscriptions.

``app`` puts the routes together; ``view`` is all of the running service that they may look at.
"""
