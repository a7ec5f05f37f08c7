"""`python -m services.heartbeat`."""

import sys

from linkerd.runtime.service import launch_job
from services.heartbeat.app import NAME, Settings, beat

sys.exit(launch_job(Settings, beat, name=NAME))
