"""Health checks of a control plane, and what they look at.

`linkerd check` runs them; `linkerd identity` shows the certificates that some of them judge.
"""
