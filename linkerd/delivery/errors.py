"""What can go wrong when the control plane is delivered, each as one sentence with a way out."""


class DeliveryError(Exception):
    """The control plane could not be delivered; the message says what to do about it."""


class ImageError(DeliveryError):
    """The container image could not be made."""


class KubectlError(DeliveryError):
    """kubectl refused something, or did not reach the cluster."""


class TrustError(DeliveryError):
    """The cluster's trust anchors and issuer do not fit together."""


class RolloutError(DeliveryError):
    """A workload did not become ready in time."""
