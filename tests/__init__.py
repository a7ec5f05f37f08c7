"""Tests, and what they share in `support`: nothing below this folder ships."""
