"""`wardbridge bench`: the budget lines, each figure beside its floor, on this machine, now."""
