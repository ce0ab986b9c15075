"""FHIR Encounters in, R4, R4B and R5: one resource or Bundle becomes observations, or a reason."""
