"""What several services' messages share: addresses, and bytes that are joined without being encoded
again."""
