"""Sweeps on the fakes: every suspension, every statement that fails,
every hostile value, and what every use case costs."""
