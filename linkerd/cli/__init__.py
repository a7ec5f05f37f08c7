"""The `linkerd` command line."""
