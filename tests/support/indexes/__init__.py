"""The law of `linkerd.index`, for every service with an index; `law.py` says what one gives."""
