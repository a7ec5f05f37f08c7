"""The policy APIs: requests in, subscriptions out."""
