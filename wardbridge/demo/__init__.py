"""`wardbridge demo`: a morning at two hospitals, played through the real service.

The inputs are the plain files of ``morning/``, in order; ``morning/story.toml`` says how each is
delivered, and how many notices it must lead to. Their dates are moved to yesterday as they are
sent, so that the morning never ages.
"""
