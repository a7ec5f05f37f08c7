"""For tests of destination: worlds, histories, and its program."""
