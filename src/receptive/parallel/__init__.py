"""Where the work is done: devices, processes, and several processes at one job."""
