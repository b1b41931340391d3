"""What a test of MAS, or of agents built on it, needs: a real server and fixtures around it."""
