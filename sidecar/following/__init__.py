"""Where documents come from and how they come in force: the sources, followed while it runs."""
