"""The published language of wardbridge: frozen models, the topics table, identifiers. No I/O."""
