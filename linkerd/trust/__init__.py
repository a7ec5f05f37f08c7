"""What a mesh trusts, and the one judgement of it.

Identity asks it before it signs, `linkerd check` and `linkerd identity issuer` show what it says,
and `linkerd run` asks it about what it finds: so all of them accept and refuse the same, in the
same words. Reading (`pem`, `facts`), what a single authority must be (`rules`), how authorities
lead to a trust anchor (`paths`, `names`), and the whole (`judge`).
"""
