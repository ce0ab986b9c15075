"""Who is told: subscribers of the configuration and those who registered, and how somebody registers."""
