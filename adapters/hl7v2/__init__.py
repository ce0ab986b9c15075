"""HL7 v2 over MLLP: bytes from the wire to observations, and the answers."""
