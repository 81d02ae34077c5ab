"""The interfaces of other tuners, carried out by Paceline."""
