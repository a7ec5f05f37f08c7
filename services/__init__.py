"""The deployables of the control plane, one package each. Services never import each other."""
