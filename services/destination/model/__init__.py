"""What the destination service talks about, as frozen values: requests, addresses, endpoint sets
and profiles. No I/O, no Kubernetes, no protobuf."""
