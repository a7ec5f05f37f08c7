"""What runs first in a proxy's container: a key, a signing request, then the proxy itself."""
