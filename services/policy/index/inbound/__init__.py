"""What proxies are told of ports that they accept connections on."""
