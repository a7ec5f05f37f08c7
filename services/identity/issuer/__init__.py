"""The certificate authority.

`issuer` is what signs, and how it is loaded; `files` follows its files, `expiry` warns of its end;
`csr` judges a signing request and `leaf` makes the certificate.
"""
