"""The validator as a program, and an API server that asks it."""
