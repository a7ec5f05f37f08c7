"""Whose token this is: `judge` decides, `reviews` asks in turn, `cache` remembers for a while."""
