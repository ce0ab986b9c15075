"""Pages for people: the ward board, static files that use the HTTP surface as any subscriber does."""
