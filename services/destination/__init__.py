"""The destination service: tells proxies where an authority's endpoints are and how to speak to
them. Events of the Kubernetes API come in, deltas of endpoint sets and profiles go out."""
