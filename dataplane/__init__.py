"""What runs beside a workload: imports `linkerd`, never a service, and is imported by none."""
