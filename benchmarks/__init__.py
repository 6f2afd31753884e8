"""How fast it is beside what else could do the work: ``make bench``."""
