"""Topic-based subscriptions on FHIR R4: Subscriptions R5 Backport 1.1.0, and what its notices name."""
