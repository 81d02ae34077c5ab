"""Statistics: tests, intervals, importance and learning curves; arrays in, numbers out."""
