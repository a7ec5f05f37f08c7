"""Objects that the validator judges, by the ids of the catalogue, and how they reach it."""
