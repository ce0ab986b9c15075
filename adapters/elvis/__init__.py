"""Elvis occupancy exports: full snapshots of wards to observations."""
