"""Sweeps on the fakes: every suspension, every statement that fails, every hostile value."""
