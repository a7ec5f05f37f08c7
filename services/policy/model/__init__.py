"""What is told of policy, as frozen values: no I/O, no Kubernetes, no protobuf."""
