"""The heartbeat: a job that tells a check endpoint a few figures of this mesh, once a run."""
