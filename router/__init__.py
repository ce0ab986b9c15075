"""The router: from observations to what each ward is told."""
