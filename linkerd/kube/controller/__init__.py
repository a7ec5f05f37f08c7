"""What writes to the API server needs: one leader of several replicas, a queue of what to look at
again, retries, and who we are among the replicas."""
