"""python -m quota_client.relay: the command quota-relay."""

import sys

from .command import main

sys.exit(main())
