"""What follows the search: the final, the winner, its model, and what it measures on the test part."""
