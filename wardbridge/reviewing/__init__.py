"""What waits for a person: the items of review, what was done about them, and reading them again.

``records`` reads both from the log, ``index`` follows them, ``inputs`` finds the bytes, ``reading`` and
``replay`` read them again, ``preview`` says what wards would be told, ``marking`` shows what failed.
"""
