"""The mesh's vocabulary: names of workloads and services, labels and annotations, ports, addresses
and context tokens, as users, proxies and other control planes write them. Values and parsers; no
I/O, no Kubernetes objects, no protobuf."""
