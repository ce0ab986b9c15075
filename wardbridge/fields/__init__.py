"""What may be told of a patient beside a notice, at each level of fields."""
