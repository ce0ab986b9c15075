"""Configuration: one TOML file, checked whole before anything starts.

``models`` says what may stand in it, ``load`` reads and checks it (every error at once, with file,
line, key and a suggestion), ``reference`` renders the models as the reference page.
"""
