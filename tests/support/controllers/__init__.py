"""Whatever writes to the API server through `linkerd.kube.controller`, before a server of the
test's own, and the laws that hold for all of them."""
