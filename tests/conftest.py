"""Fixtures that every test may take."""

pytest_plugins = ["linkerd.testing.plugin"]
