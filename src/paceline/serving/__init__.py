"""The common part of Paceline's servers: address, limits of connections, access control."""
