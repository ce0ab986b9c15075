"""One module for each command, each with ``add_to(app)``. Modules with ``_`` are shared parts.

Exit codes: 0 done; 2 it could not run (the configuration, a file, the log); what else a command
says is in its own help.
"""
