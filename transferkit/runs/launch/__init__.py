"""Workers of one job, started on this machine, watched and ended together."""
