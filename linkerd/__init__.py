"""What every deployable of the control plane shares. Imports no service."""
