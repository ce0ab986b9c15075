"""What adapters share: outcomes, raw records, envelopes, patient keys."""
