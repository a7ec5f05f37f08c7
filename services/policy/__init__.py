"""The policy controller: what proxies ask before they accept or route traffic."""
