"""ServiceProfiles as people hand them in: judging them, and writing them from API definitions.

For the webhook and the command line. What a profile means to proxies is the destination service's
business.
"""
