"""On the fakes: every suspension, every failing statement, every race, every cost, every value."""
