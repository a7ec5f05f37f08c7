"""For tests of the controller of endpoints: plans, and the controller beside an API server."""
