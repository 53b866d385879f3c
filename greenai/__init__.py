"""greenai."""
