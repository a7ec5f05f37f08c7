"""For tests of identity: the service with scripted reviews, and its program."""
