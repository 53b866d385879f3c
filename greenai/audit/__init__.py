"""What the logs of an app say that its calls could have been: read where they lie, with nothing leaving the machine."""
