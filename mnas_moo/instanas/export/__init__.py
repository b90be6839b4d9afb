"""A point of InstaNAS' search as files for apps: a controller and the modules that it switches on and off."""
