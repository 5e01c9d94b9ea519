"""Shards of stage extract, one after the other: ``python -m shards_killed TRAINING KILLED SHARD ...``.

In the middle of shard KILLED the process kills itself, as a machine that is lost does; -1: it does not.
"""

import os
import signal
import sys

from receptive.measurements.subject import Subject
from receptive.stages.extract import main

training, killed, *shards = sys.argv[1], *map(int, sys.argv[2:])
views = Subject.views


def counted(self, *args, **kwargs):
    for number, view in enumerate(views(self, *args, **kwargs)):
        if number == 1 and shard == killed:
            os.kill(os.getpid(), signal.SIGKILL)
        yield view


Subject.views = counted
for shard in shards:
    main(training, shard=shard)
