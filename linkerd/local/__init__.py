"""A real Kubernetes cluster on this machine, from its own programs: `linkerd local`."""
