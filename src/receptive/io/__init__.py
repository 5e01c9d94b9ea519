"""Everything that touches the disk or another program: parameters, files, experiment tracking."""
