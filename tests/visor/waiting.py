"""How long tests wait: for as long as it takes, whatever else the machine does."""

PATIENCE = 60.0  # seconds, until something that comes is missed
AT_ONCE = 12.0  # seconds, where a visor that waits for a connection would take its 20
