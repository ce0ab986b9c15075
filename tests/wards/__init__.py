"""From ADT messages to what wards are told: the HL7 adapter and the router together."""
