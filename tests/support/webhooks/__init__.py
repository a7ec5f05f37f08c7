"""Webhooks for tests, and servers that run them."""
