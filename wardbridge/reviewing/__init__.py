"""What waits for a person: the items of review, what was done about them, and reading them again.

``records`` reads both from the log, ``index`` follows them, ``inputs`` finds the bytes, ``again`` and
``replay`` read them again, ``preview`` says what wards would be told, ``settling`` waits for what became
of it, ``showing`` shows what failed, ``reasons`` lists the codes.
"""
