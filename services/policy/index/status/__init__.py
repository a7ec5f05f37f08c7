"""What the status of each object should say, from the objects as they are.

    filing.py      routes and policies, and how it stands with what they refer to
    references.py  what a route refers to, whether or not the rest of it makes sense
    standing.py    how it stands with what others refer to
    claims.py      who wants the same part of a parent, or to limit the same Server
    findings.py    what is found out about one object

Nothing here depends on a status: who writes them need not wait for his own writes to see the next
thing to write.
"""
