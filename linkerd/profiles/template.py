"""A ServiceProfile to start from, with a comment at every field."""

from typing import Final

from linkerd.mesh.names import service_name

_TEMPLATE: Final = """\
# Fill in and apply: kubectl apply -f FILE
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  # The full name of the service. Callers of every namespace see a profile that is in the service's
  # namespace; one in a caller's own namespace takes precedence there.
  name: {name}
  namespace: {namespace}
spec:
  # Kinds of request, told apart in metrics. The first route whose condition holds counts.
  routes:
  - name: GET /items/{{id}}
    condition:
      # All fields of a condition must hold: method, pathRegex, and all, any (lists of conditions)
      # and not (a condition, inside of all or any). A pathRegex must match the whole path.
      method: GET
      pathRegex: /items/[^/]*
    # Whether a request that failed may be sent again, within the budget below. Default: false.
    isRetryable: true
    # How long an answer may take, retries included. Default: without limit.
    timeout: 300ms
  - name: POST /items
    condition:
      all:
      - method: POST
      - pathRegex: /items
      - not:
          pathRegex: /items/internal
    # Which answers count as failures. Default: those with a status of 500 and above.
    responseClasses:
    - condition:
        status:
          min: 500
          max: 599
      isFailure: true
    - condition:
        any:
        - status: {{min: 404, max: 404}}
        - status: {{min: 409, max: 409}}
      isFailure: false
  # How many retries may come on top of the requests there are.
  retryBudget:
    # Retries for each request, on average.
    retryRatio: 0.2
    # Retries a second that are allowed whatever the ratio.
    minRetriesPerSecond: 10
    # For how long a request counts, from 1s to 60s.
    ttl: 10s
"""


def template(service: str, namespace: str, domain: str) -> str:
    """The YAML for a service; its names must be DNS labels."""
    return _TEMPLATE.format(name=service_name(service, namespace, domain), namespace=namespace)
