"""Judges policy objects and ServiceProfiles before the API server stores them."""
