"""What objects of policy may say: one judgement for the command line, the webhook and the index.

A module a kind of object or a part that several have. Each reads Structs of `linkerd.kube.objects`
into frozen values, and refuses by `PolicyError`, which names the field.
"""
