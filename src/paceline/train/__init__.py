"""Many networks, one program: trace, group, compile, train side by side."""
