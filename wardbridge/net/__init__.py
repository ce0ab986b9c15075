"""HTTP both ways: calls to others, and the server that our surfaces run in, with bounds on what a peer can ask."""
