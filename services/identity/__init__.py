"""The identity service: turns a workload's ServiceAccount token into a certificate of the mesh."""
