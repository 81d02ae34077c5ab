"""After the search: the final evaluation, the winner, its model and its test metrics."""
