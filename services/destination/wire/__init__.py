"""From the model to the bytes that proxies read. Encoded once, shared by all who are told."""
