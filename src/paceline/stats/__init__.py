"""What can be claimed: tests, intervals, importance, curves. Numbers in, numbers out."""
