"""The life of a process: settings, logs, metrics, admin server, readiness, time, files that reload.

Imports nothing else of ours; everything else may import it.
"""
