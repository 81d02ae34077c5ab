"""What servers of Paceline share: their address, limits of connections, and access control."""
