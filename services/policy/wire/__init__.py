"""What is told, as messages of the policy APIs: encoded once, for all who are told it."""
