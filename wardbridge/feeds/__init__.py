"""The adapters as feeds of the service.

``kind`` says what is asked of each, ``kinds`` is the registry; who needs no adapter imports neither
their code nor that of the libraries they use.
"""
